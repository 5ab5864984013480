import type {
  Conclusion,
  EngineHold,
  FeedEntry,
  PutResult,
  QueueStatus,
  Settlement,
  Sighting,
} from '../contract/feed-queue.ts';

/** What a change of the book leaves of each address it touched; undefined: nothing. */
export type BookChanges = ReadonlyMap<string, FeedEntry | undefined>;

/** The book has no room for another address. */
export class BookFullError extends Error {}

/** What is blocked, until when, and what engines hold: the rules of it, without a disk or a clock. */
export class FeedBook {
  readonly #entries: Map<string, FeedEntry>;
  /** Those that are due at some time: few of all that are blocked, as a rule. */
  readonly #waiting: Map<string, FeedEntry> = new Map();
  /** When an address may be offered again. Not kept over a restart, which is as good a reason to try as any. */
  readonly #retryAtMs: Map<string, number> = new Map();
  readonly #pendingSinceMs: Map<string, number> = new Map();
  /** Nothing ends before: most of the time nobody needs to look at all of them. */
  #noEndBeforeMs = Number.POSITIVE_INFINITY;
  /** What `nextDueMs` found for a lead, kept up to date for as long as that can be done without looking at all of them. */
  #next: { readonly leadMs: number; readonly dueMs: number } | undefined;

  constructor(entries: Iterable<FeedEntry>) {
    this.#entries = new Map();
    for (const entry of entries) this.#set(entry, entry.sinceMs);
  }

  find(address: string): FeedEntry | undefined {
    return this.#entries.get(address);
  }

  entries(): Iterable<FeedEntry> {
    return this.#entries.values();
  }

  get size(): number {
    return this.#entries.size;
  }

  draft(): BookDraft {
    return new BookDraft(this.#entries);
  }

  /** Takes over what a draft has changed. */
  apply(changes: BookChanges, nowMs: number): void {
    for (const [address, entry] of changes) {
      if (entry === undefined) this.#delete(address);
      else this.#set(entry, nowMs);
    }
  }

  /** Says when entries are to be offered again. */
  postpone(conclusions: readonly Conclusion[]): void {
    for (const { address, retryAtMs } of conclusions) {
      this.#move(address, () => {
        if (retryAtMs === undefined || !this.#entries.has(address)) this.#retryAtMs.delete(address);
        else this.#retryAtMs.set(address, retryAtMs);
      });
    }
  }

  /** Drops and returns what has had its time. */
  expire(nowMs: number): readonly FeedEntry[] {
    if (nowMs < this.#noEndBeforeMs) return [];
    const over: FeedEntry[] = [];
    this.#noEndBeforeMs = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.values()) {
      if (entry.untilMs <= nowMs) over.push(entry);
      else this.#noEndBeforeMs = Math.min(this.#noEndBeforeMs, entry.untilMs);
    }
    for (const { address } of over) this.#delete(address);
    return over;
  }

  due(nowMs: number, leadMs: number): readonly FeedEntry[] {
    return Array.from(this.#waiting.values())
      .filter((entry) => entry.untilMs > nowMs && this.#dueAtMs(entry, leadMs) <= nowMs)
      .sort((a, b) => a.sinceMs - b.sinceMs);
  }

  nextDueMs(leadMs: number): number | undefined {
    if (this.#next?.leadMs !== leadMs) {
      let dueMs = Number.POSITIVE_INFINITY;
      for (const entry of this.#waiting.values()) dueMs = Math.min(dueMs, this.#dueAtMs(entry, leadMs));
      this.#next = { leadMs, dueMs };
    }
    const { dueMs } = this.#next;
    return dueMs === Number.POSITIVE_INFINITY ? undefined : dueMs;
  }

  backlog(): Pick<QueueStatus, 'depth' | 'oldestMs'> {
    const since = [...this.#pendingSinceMs.values()];
    return { depth: since.length, oldestMs: since.length === 0 ? undefined : since.reduce((a, b) => Math.min(a, b)) };
  }

  /** Infinity: not without another finding. */
  #dueAtMs({ address, isPending, untilMs, engines }: FeedEntry, leadMs: number): number {
    if (isPending) return this.#retryAtMs.get(address) ?? 0;
    let due = Number.POSITIVE_INFINITY;
    for (const hold of engines.values()) {
      if (endsBefore(hold, untilMs)) due = Math.min(due, hold.heldUntilMs - leadMs);
    }
    return due;
  }

  #set(entry: FeedEntry, pendingSinceMs: number): void {
    const { address, isPending } = entry;
    if (!isPending) this.#pendingSinceMs.delete(address);
    else if (!this.#pendingSinceMs.has(address)) this.#pendingSinceMs.set(address, pendingSinceMs);
    this.#noEndBeforeMs = Math.min(this.#noEndBeforeMs, entry.untilMs);
    this.#move(address, () => {
      this.#entries.set(address, entry);
      if (isWaiting(entry)) this.#waiting.set(address, entry);
      else this.#waiting.delete(address);
    });
  }

  #delete(address: string): void {
    this.#pendingSinceMs.delete(address);
    this.#move(address, () => {
      this.#entries.delete(address);
      this.#waiting.delete(address);
      this.#retryAtMs.delete(address);
    });
  }

  /** Does what changes when an address is due. */
  #move(address: string, change: () => void): void {
    const { leadMs } = this.#next ?? {};
    const dueMs = (): number => {
      const entry = this.#entries.get(address);
      return entry === undefined || leadMs === undefined ? Number.POSITIVE_INFINITY : this.#dueAtMs(entry, leadMs);
    };
    const before = dueMs();
    change();
    if (this.#next === undefined || leadMs === undefined) return;
    const after = dueMs();
    if (after <= this.#next.dueMs) this.#next = { leadMs, dueMs: after };
    // It may have been the only one: who is next is found when somebody asks.
    else if (before <= this.#next.dueMs) this.#next = undefined;
  }
}

/** Whether there is something to bring to an engine, now or later, without another finding. */
function isWaiting({ isPending, untilMs, engines }: FeedEntry): boolean {
  return isPending || [...engines.values()].some((hold) => endsBefore(hold, untilMs));
}

function endsBefore({ outcome, heldUntilMs }: EngineHold, untilMs: number): boolean {
  return outcome === 'added' && heldUntilMs < untilMs;
}

/** Changes that nobody sees yet: they go to the disk first. */
export class BookDraft {
  readonly #base: ReadonlyMap<string, FeedEntry>;
  readonly #changes: Map<string, FeedEntry | undefined> = new Map();
  #added = 0;

  constructor(base: ReadonlyMap<string, FeedEntry>) {
    this.#base = base;
  }

  get changes(): BookChanges {
    return this.#changes;
  }

  /** Throws `BookFullError`, with nothing changed, where there is no room for all of them. */
  put(sightings: readonly Sighting[], nowMs: number, maxEntries: number): PutResult {
    const merged = new Map(sightings.map((sighting) => [sighting.address, sighting]));
    const known = [...merged.values()].filter(({ address }) => this.#isBlocked(address, nowMs)).length;
    const added = [...merged.keys()].filter((address) => this.#find(address) === undefined).length;
    if (added > 0 && this.#base.size + this.#added + added > maxEntries) throw new BookFullError();
    for (const sighting of merged.values()) this.#see(sighting, nowMs);
    return { blocked: merged.size - known, extended: known };
  }

  settle(settlements: readonly Settlement[]): void {
    for (const { address, engine, outcome, heldUntilMs } of settlements) {
      const entry = this.#find(address);
      if (entry === undefined) continue;
      const engines: Map<string, EngineHold> = new Map(entry.engines);
      if (outcome === 'gone') engines.delete(engine);
      else engines.set(engine, { outcome, heldUntilMs });
      this.#set({ ...entry, engines });
    }
  }

  conclude(conclusions: readonly Conclusion[]): void {
    for (const { address, retryAtMs } of conclusions) {
      const entry = this.#find(address);
      const isPending = retryAtMs !== undefined;
      if (entry !== undefined && entry.isPending !== isPending) this.#set({ ...entry, isPending });
    }
  }

  remove(address: string): boolean {
    if (this.#find(address) === undefined) return false;
    if (!this.#base.has(address)) this.#added -= 1;
    this.#changes.set(address, undefined);
    return true;
  }

  #see({ address, source, type, untilMs, findings }: Sighting, nowMs: number): void {
    const before = this.#find(address);
    // One that has had its time and is not swept yet is none any more.
    if (before === undefined || before.untilMs <= nowMs) {
      this.#set({
        ...{ address, source, type, untilMs, findings },
        sinceMs: nowMs,
        isPending: true,
        engines: new Map(),
      });
      return;
    }
    this.#set({
      ...before,
      ...{ source, type },
      untilMs: Math.max(untilMs, before.untilMs),
      findings: before.findings + findings,
    });
  }

  #isBlocked(address: string, nowMs: number): boolean {
    return (this.#find(address)?.untilMs ?? 0) > nowMs;
  }

  #find(address: string): FeedEntry | undefined {
    return this.#changes.has(address) ? this.#changes.get(address) : this.#base.get(address);
  }

  #set(entry: FeedEntry): void {
    if (this.#find(entry.address) === undefined && !this.#base.has(entry.address)) this.#added += 1;
    this.#changes.set(entry.address, entry);
  }
}
