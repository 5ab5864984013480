import type { EngineHold, FeedEntry, FeedQueue, QueueChange } from '../../src/feeds/contract/feed-queue.ts';

interface Kept extends FeedEntry {
  readonly retryAtMs: number;
}

/** The contract of a queue in its plainest form, for tests of those who use one. */
export function createMemoryQueue(nowMs: () => number): FeedQueue {
  const kept: Map<string, Kept> = new Map();
  const listeners: Set<(change: QueueChange) => void> = new Set();
  const tell = (kind: QueueChange['kind'], entries: readonly FeedEntry[]): void => {
    for (const listener of listeners) listener({ kind, entries });
  };
  const refreshAtMs = ({ untilMs, engines }: Kept, leadMs: number): number => {
    const ends = [...engines.values()].filter(
      ({ outcome, heldUntilMs }) => outcome === 'added' && heldUntilMs < untilMs,
    );
    return Math.min(...ends.map(({ heldUntilMs }) => heldUntilMs - leadMs));
  };
  const dueAtMs = (entry: Kept, leadMs: number): number =>
    entry.isPending ? entry.retryAtMs : refreshAtMs(entry, leadMs);
  const change = (address: string, changes: Partial<Kept>): Kept | undefined => {
    const entry = kept.get(address);
    if (entry === undefined) return undefined;
    const next = { ...entry, ...changes };
    kept.set(address, next);
    return next;
  };
  return {
    type: 'embedded',
    async put(sightings) {
      let blocked = 0;
      const entries = sightings.map((sighting) => {
        const old = kept.get(sighting.address);
        if (old === undefined) blocked += 1;
        const next: Kept = {
          sinceMs: nowMs(),
          isPending: true,
          engines: new Map<string, EngineHold>(),
          retryAtMs: nowMs(),
          ...old,
          ...sighting,
          untilMs: Math.max(sighting.untilMs, old?.untilMs ?? 0),
        };
        kept.set(sighting.address, next);
        return next;
      });
      tell('put', entries);
      return { blocked, extended: sightings.length - blocked };
    },
    due: (now, leadMs) => [...kept.values()].filter((entry) => entry.untilMs > now && dueAtMs(entry, leadMs) <= now),
    nextDueMs(leadMs) {
      const times = [...kept.values()].map((entry) => dueAtMs(entry, leadMs)).filter(Number.isFinite);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    async settle(settlements) {
      const entries = settlements.flatMap(({ address, engine, outcome, heldUntilMs }) => {
        const engines = new Map(kept.get(address)?.engines).set(engine, { outcome, heldUntilMs });
        return change(address, { engines }) ?? [];
      });
      tell('relayed', entries);
    },
    async conclude(conclusions) {
      const entries = conclusions.flatMap(
        ({ address, retryAtMs }) =>
          change(address, { isPending: retryAtMs !== undefined, retryAtMs: retryAtMs ?? 0 }) ?? [],
      );
      tell('relayed', entries);
    },
    async remove(address) {
      const entry = kept.get(address);
      if (entry === undefined) return false;
      kept.delete(address);
      tell('removed', [entry]);
      return true;
    },
    async expire(now) {
      const over = [...kept.values()].filter(({ untilMs }) => untilMs <= now);
      for (const { address } of over) kept.delete(address);
      if (over.length > 0) tell('expired', over);
    },
    find: (address) => kept.get(address),
    entries: () => kept.values(),
    status: () => ({ depth: 0, oldestMs: undefined, trouble: undefined }),
    onChange(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => listeners.delete(listener) };
    },
    async [Symbol.asyncDispose]() {},
  };
}
