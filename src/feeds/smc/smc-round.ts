import type { FeedTally } from '../../observe/feed-tally.ts';
import type { Logger } from '../../observe/logger.ts';
import type { FeedClock } from '../contract/feed-clock.ts';
import type { FeedEntry, FeedQueue, Settlement } from '../contract/feed-queue.ts';
import { entryBatch, type Order } from './block-entry.ts';
import type { EngineMemories, EngineMemory } from './engine-memory.ts';
import { ordersFor } from './engine-order.ts';
import type { EngineRef } from './smc-answer.ts';
import { SmcError } from './smc-error.ts';
import type { SmcSession } from './smc-session.ts';

export interface SmcRoundContext {
  readonly queue: FeedQueue;
  readonly clock: FeedClock;
  readonly memories: EngineMemories;
  readonly log: Pick<Logger, 'log'>;
  readonly tally: FeedTally;
  /** How long before an engine lets go of an address it gets it again. */
  readonly leadMs: number;
  readonly signal: AbortSignal;
}

/** An engine of this session. */
export interface Target extends EngineRef {
  /** Where its entries go, once it was asked; `none`: it can hold none. */
  link?: string | 'none';
}

/** So many engines in a row that give no sign of life at all: the SMC is away, and the rest need not wait for timeouts. */
const SILENT_ENGINES = 2;
/** How often in a round a request that an engine refused is cut in two, to find what it refuses. */
const MAX_SPLITS = 32;
/** What is wrong with the content, and not with the engine or the credential. */
const CONTENT_REFUSED: ReadonlySet<number> = new Set([400, 422]);
const MAX_TOLD_ADDRESSES = 10;

/**
 * Brings entries to each engine once, and records what came of it. One engine that fails keeps no other from its share.
 * Throws SmcError where the SMC itself fails; the entries are then not concluded.
 */
export async function relayRound(
  session: SmcSession,
  targets: readonly Target[],
  entries: readonly FeedEntry[],
  context: SmcRoundContext,
): Promise<void> {
  const { queue, memories, signal } = context;
  await forgetOthers(targets, entries, queue);
  const retryAtMs: Map<string, number> = new Map();
  const failures = ({ name }: Target): number => memories.of(name).backOff.failureCount;
  let silentCount = 0;
  // Those that failed before come last: whatever they do then, the others have had their share.
  for (const target of [...targets].sort((a, b) => failures(a) - failures(b))) {
    signal.throwIfAborted();
    const visit = new EngineVisit(session, target, context);
    const failure = await visit.relay(entries);
    for (const address of visit.leftOver) {
      const { readyMs } = memories.of(target.name).backOff;
      retryAtMs.set(address, Math.min(readyMs, retryAtMs.get(address) ?? Number.POSITIVE_INFINITY));
    }
    if (failure === undefined) continue;
    silentCount = failure.status === undefined ? silentCount + 1 : 0;
    if (silentCount === SILENT_ENGINES) throw failure;
  }
  await queue.conclude(entries.map(({ address }) => ({ address, retryAtMs: retryAtMs.get(address) })));
}

/** Engines that are not listed any more, or excluded: what they hold asks for nothing. */
async function forgetOthers(
  targets: readonly Target[],
  entries: readonly FeedEntry[],
  queue: FeedQueue,
): Promise<void> {
  const wanted: ReadonlySet<string> = new Set(targets.map(({ name }) => name));
  const gone = entries.flatMap(({ address, engines }) =>
    [...engines.keys()]
      .filter((engine) => !wanted.has(engine))
      .map((engine): Settlement => ({ address, engine, outcome: 'gone', heldUntilMs: 0 })),
  );
  if (gone.length > 0) await queue.settle(gone);
}

/** One engine in one round. */
class EngineVisit {
  /** Addresses that it did not get, and is to get later. */
  leftOver: readonly string[] = [];
  readonly #session: SmcSession;
  readonly #target: Target;
  readonly #context: SmcRoundContext;
  readonly #memory: EngineMemory;
  #splitsLeft = MAX_SPLITS;

  constructor(session: SmcSession, target: Target, context: SmcRoundContext) {
    this.#session = session;
    this.#target = target;
    this.#context = context;
    this.#memory = context.memories.of(target.name);
  }

  /** Returns why it failed, where the engine did; throws where it is not the engine's doing. */
  async relay(entries: readonly FeedEntry[]): Promise<SmcError | undefined> {
    const { clock, leadMs } = this.#context;
    const nowMs = clock.nowMs();
    const orders = ordersFor(this.#target.name, entries, { nowMs, leadMs });
    if (orders.length === 0) return undefined;
    if (this.#memory.backOff.readyMs > nowMs) {
      await this.#postpone(entries, orders);
      return undefined;
    }
    const unsent: Order[][] = [[...orders]];
    try {
      const link = await this.#link();
      if (link === undefined) {
        await this.#settleAll(entries, 'gone');
        return undefined;
      }
      await this.#sendAll(link, unsent);
      this.#recovered();
      return undefined;
    } catch (error) {
      if (!(error instanceof SmcError) || error.remedy === 'credential') throw error;
      if (this.#context.signal.aborted) throw error;
      if (error.remedy === 'nothing') await this.#reject(unsent.flat(), error);
      else await this.#fail(entries, unsent.flat(), error);
      return error;
    }
  }

  async #link(): Promise<string | undefined> {
    const target = this.#target;
    target.link ??= (await this.#session.blockListPath(target)) ?? 'none';
    if (target.link !== 'none') return target.link;
    if (!this.#memory.isSkipTold) this.#context.log.log('smc-engine-skipped', { engine: target.name });
    this.#memory.isSkipTold = true;
    return undefined;
  }

  /** Takes from `unsent` what the engine has taken or refused for good. */
  async #sendAll(link: string, unsent: Order[][]): Promise<void> {
    const { clock, signal } = this.#context;
    for (let next = unsent[0]; next !== undefined; next = unsent[0]) {
      signal.throwIfAborted();
      const nowMs = clock.nowMs();
      const batch = next.slice(0, this.#memory.batchSize).filter(({ untilMs }) => untilMs > nowMs);
      const rest = next.slice(this.#memory.batchSize);
      if (batch.length > 0) {
        const { body, orders } = entryBatch(batch, nowMs);
        try {
          await this.#session.add(link, body);
          await this.#added(orders);
        } catch (error) {
          if (!(error instanceof SmcError)) throw error;
          if (error.remedy === 'fewer') this.#memory.batchSize = Math.max(1, Math.floor(batch.length / 2));
          if (error.remedy !== 'nothing') throw error;
          if (this.#maySplit(batch, error)) {
            const half = Math.ceil(batch.length / 2);
            unsent.splice(0, 1, batch.slice(0, half), batch.slice(half), rest);
            continue;
          }
          await this.#reject(batch, error);
        }
      }
      if (rest.length > 0) unsent[0] = rest;
      else unsent.shift();
    }
  }

  /** One address that an engine cannot take must not cost the others their place. */
  #maySplit(batch: readonly Order[], { status = 0 }: SmcError): boolean {
    if (batch.length === 1 || !CONTENT_REFUSED.has(status) || this.#splitsLeft === 0) return false;
    this.#splitsLeft -= 1;
    return true;
  }

  async #added(orders: readonly (Order & { readonly heldUntilMs: number })[]): Promise<void> {
    const { queue, tally, log } = this.#context;
    const engine = this.#target.name;
    tally.smcEntries(engine, 'added', orders.length);
    log.log('smc-relayed', { engine, count: orders.length, addresses: told(orders) });
    await queue.settle(orders.map(({ address, heldUntilMs }) => ({ address, engine, outcome: 'added', heldUntilMs })));
  }

  async #reject(orders: readonly Order[], error: SmcError): Promise<void> {
    const { queue, tally, log } = this.#context;
    const engine = this.#target.name;
    tally.smcEntries(engine, 'rejected', orders.length);
    log.log('smc-rejected', { engine, count: orders.length, addresses: told(orders), detail: error.message });
    await queue.settle(orders.map(({ address }) => this.#settlement(address, 'rejected', 0)));
  }

  async #fail(entries: readonly FeedEntry[], orders: readonly Order[], error: SmcError): Promise<void> {
    const { clock, log } = this.#context;
    const engine = this.#target.name;
    const { backOff } = this.#memory;
    const isFirst = backOff.failureCount === 0;
    const nowMs = clock.nowMs();
    const retryMs = backOff.failed(nowMs, error.retryAfterMs) - nowMs;
    if (isFirst) log.log('smc-engine-failed', { engine, detail: error.message, retryMs });
    await this.#postpone(entries, orders);
  }

  async #postpone(entries: readonly FeedEntry[], orders: readonly Order[]): Promise<void> {
    this.leftOver = orders.map(({ address }) => address);
    const wanted: ReadonlySet<string> = new Set(this.leftOver);
    const settlements = entries.flatMap(({ address, engines }) => {
      const hold = engines.get(this.#target.name);
      if (!wanted.has(address) || hold?.outcome === 'pending') return [];
      return this.#settlement(address, 'pending', hold?.heldUntilMs ?? 0);
    });
    if (settlements.length > 0) await this.#context.queue.settle(settlements);
  }

  /** For an engine that can hold nothing any more. */
  async #settleAll(entries: readonly FeedEntry[], outcome: Settlement['outcome']): Promise<void> {
    const known = entries.filter(({ engines }) => engines.has(this.#target.name));
    if (known.length === 0) return;
    await this.#context.queue.settle(known.map(({ address }) => this.#settlement(address, outcome, 0)));
  }

  #settlement(address: string, outcome: Settlement['outcome'], heldUntilMs: number): Settlement {
    return { address, engine: this.#target.name, outcome, heldUntilMs };
  }

  #recovered(): void {
    const { backOff } = this.#memory;
    if (backOff.failureCount > 0) this.#context.log.log('smc-engine-recovered', { engine: this.#target.name });
    backOff.succeeded();
  }
}

function told(orders: readonly Order[]): readonly string[] {
  return orders.slice(0, MAX_TOLD_ADDRESSES).map(({ address }) => address);
}
