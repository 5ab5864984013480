import type { FeedEntry, Sighting } from '../contract/feed-queue.ts';
import type { Envelope } from './broker-message.ts';

/** Work on one address that the broker has given to this relay, and to no other, until it is acknowledged. */
export interface Claim<D> {
  readonly delivery: D;
  readonly sighting: Sighting;
  /** Who received the finding, and when. */
  readonly origin: Pick<Envelope, 'from' | 'sentMs'>;
  readonly sinceMs: number;
  /** When the relay is to look at it. */
  readonly notBeforeMs: number;
}

/** The claims of this relay: one per address, whatever came how often. Pure. */
export class RelayClaims<D> {
  readonly #claims: Map<string, Claim<D>> = new Map();

  get size(): number {
    return this.#claims.size;
  }

  /** In the order in which they came. */
  get addresses(): readonly string[] {
    return [...this.#claims.keys()];
  }

  find(address: string): Claim<D> | undefined {
    return this.#claims.get(address);
  }

  /** Returns the claim that it replaces. The earlier of two times to look at it stands. */
  take(claim: Claim<D>): Claim<D> | undefined {
    const { address } = claim.sighting;
    const before = this.#claims.get(address);
    const notBeforeMs = before === undefined ? claim.notBeforeMs : Math.min(before.notBeforeMs, claim.notBeforeMs);
    this.#claims.set(address, { ...claim, sinceMs: before?.sinceMs ?? claim.sinceMs, notBeforeMs });
    return before;
  }

  postpone(address: string, notBeforeMs: number): void {
    const claim = this.#claims.get(address);
    if (claim !== undefined) this.#claims.set(address, { ...claim, notBeforeMs });
  }

  drop(address: string): Claim<D> | undefined {
    const claim = this.#claims.get(address);
    this.#claims.delete(address);
    return claim;
  }

  clear(): void {
    this.#claims.clear();
  }
}

/**
 * When there is something to do for an entry: what is pending at its time, what is blocked for longer than an engine holds
 * it `leadMs` before that lets go. Infinity: never.
 */
export function dueAtMs(entry: FeedEntry, notBeforeMs: number, leadMs: number): number {
  if (entry.isPending) return notBeforeMs;
  const ends = [...entry.engines.values()]
    .filter(({ outcome, heldUntilMs }) => outcome === 'added' && heldUntilMs < entry.untilMs)
    .map(({ heldUntilMs }) => heldUntilMs - leadMs);
  return Math.max(notBeforeMs, Math.min(...ends));
}
