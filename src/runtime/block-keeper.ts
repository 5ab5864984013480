import type { BlockedAddress, BlockResult, ControlResult } from '../observe/control.ts';
import type { Logger } from '../observe/logger.ts';
import { type Block, BlockList, MAX_BLOCKS } from '../policy/block-list.ts';
import { canonicalBlock, notAnAddress } from './block-address.ts';

export interface BlockKeeperOptions {
  readonly log: Logger;
  /** What was blocked before a restart; those whose time is over are left out. */
  readonly kept: readonly Block[];
  /** Why an address or network must not be blocked, as a sentence; undefined: it may be. */
  readonly objection: (address: string) => string | undefined;
  /** Told of every change, for the workers. */
  readonly onChange: (addresses: readonly string[]) => void;
}

/** A timer cannot be set further ahead than this; what ends later is looked at again. */
const LONGEST_TIMER_MS = 24 * 60 * 60 * 1000;

/** Keeps whom the operator blocked, and lets them in again when their time is over. */
export class BlockKeeper implements Disposable {
  readonly #options: BlockKeeperOptions;
  readonly #list: BlockList = new BlockList();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BlockKeeperOptions) {
    this.#options = options;
    for (const block of options.kept) this.#list.add(block);
    this.#list.expire(Date.now());
    this.#wait();
  }

  /** In the order in which they were blocked. */
  get blocks(): readonly Block[] {
    return this.#list.blocks;
  }

  /** For a worker that starts. */
  get addresses(): readonly string[] {
    return this.#list.blocks.map(({ address }) => address);
  }

  get blocked(): readonly BlockedAddress[] {
    return this.#list.blocks.map(describe);
  }

  block(text: string, ttlMs: number | undefined): BlockResult {
    const address = canonicalBlock(text);
    if (address === undefined) return { ok: false, reason: 'invalid', detail: notAnAddress(text) };
    const objection = this.#options.objection(address);
    if (objection !== undefined) return { ok: false, reason: 'guarded', detail: objection };
    const nowMs = Date.now();
    const block = { address, sinceMs: nowMs, untilMs: ttlMs === undefined ? undefined : nowMs + ttlMs };
    if (!this.#list.add(block)) {
      const detail = `${MAX_BLOCKS} addresses are blocked, which is as many as can be; unblock some, or block a network`;
      return { ok: false, reason: 'full', detail };
    }
    const blocked = describe(block);
    this.#options.log.log('address-blocked', { address, until: blocked.until ?? undefined });
    this.#changed();
    return { ok: true, ...blocked };
  }

  unblock(text: string): ControlResult {
    const address = canonicalBlock(text);
    if (address === undefined) return { ok: false, reason: 'invalid', detail: notAnAddress(text) };
    if (!this.#list.remove(address)) return { ok: false, reason: 'unknown', detail: `${address} is not blocked` };
    this.#options.log.log('address-unblocked', { address, cause: 'operator' });
    this.#changed();
    return { ok: true };
  }

  /** Lifts what has come to be something that is never blocked. */
  lift(reasonOf: (address: string) => 'allowed' | 'own' | undefined): void {
    const lifted = this.addresses.flatMap((address) => {
      const cause = reasonOf(address);
      return cause === undefined ? [] : [{ address, cause }];
    });
    for (const { address, cause } of lifted) {
      this.#list.remove(address);
      this.#options.log.log('address-unblocked', { address, cause });
    }
    if (lifted.length > 0) this.#changed();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #changed(): void {
    this.#options.onChange(this.addresses);
    this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    const { nextEndMs } = this.#list;
    if (nextEndMs === undefined) return;
    const waitMs = Math.min(LONGEST_TIMER_MS, Math.max(0, nextEndMs - Date.now()));
    this.#timer = setTimeout(() => this.#expire(), waitMs).unref();
  }

  #expire(): void {
    for (const { address } of this.#list.expire(Date.now())) {
      this.#options.log.log('address-unblocked', { address, cause: 'expired' });
    }
    this.#changed();
  }
}

function describe({ address, untilMs }: Pick<Block, 'address' | 'untilMs'>): BlockedAddress {
  return { address, until: untilMs === undefined ? null : new Date(untilMs).toISOString() };
}
