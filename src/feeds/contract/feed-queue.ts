/** What an engine made of an address: holds it, has not got it yet, or will not have it. */
export type EngineOutcome = 'added' | 'pending' | 'rejected';

/** What is known of one address at one engine of a sink. */
export interface EngineHold {
  readonly outcome: EngineOutcome;
  /** Epoch milliseconds when the engine lets go of it by itself; 0: it never held it. */
  readonly heldUntilMs: number;
}

/** One blocked address. Immutable: a change makes another one. */
export interface FeedEntry {
  readonly address: string;
  /** The source that reported it last. */
  readonly source: string;
  /** The kind of finding it was reported for last. */
  readonly type: string;
  readonly sinceMs: number;
  /** Epoch milliseconds; only ever moves on. */
  readonly untilMs: number;
  /** How often it was reported. */
  readonly findings: number;
  /** Whether the relay has not yet said that it is done with it. */
  readonly isPending: boolean;
  /** By engine name. Empty until a sink has settled something. */
  readonly engines: ReadonlyMap<string, EngineHold>;
}

/** One address to block. `put` takes each address once. */
export interface Sighting {
  readonly address: string;
  readonly source: string;
  readonly type: string;
  readonly untilMs: number;
  /** How many findings say so. */
  readonly findings: number;
}

export interface PutResult {
  readonly blocked: number;
  readonly extended: number;
}

/** What one engine made of one address. `gone`: there is no such engine any more, and nothing to remember of it. */
export interface Settlement {
  readonly address: string;
  readonly engine: string;
  readonly outcome: EngineOutcome | 'gone';
  readonly heldUntilMs: number;
}

/** A sink has done what it could for an address that was due. */
export interface Conclusion {
  readonly address: string;
  /** When to offer it again, where an engine is left; undefined: every engine has had its answer. */
  readonly retryAtMs: number | undefined;
}

/** `put`: new or extended. `relayed`: only what engines hold has changed. */
export type QueueChange = {
  readonly kind: 'put' | 'relayed' | 'removed' | 'expired';
  readonly entries: readonly FeedEntry[];
};

export interface QueueStatus {
  /** Addresses not yet with every engine. */
  readonly depth: number;
  /** Epoch milliseconds since when the oldest of them waits; undefined: none does. */
  readonly oldestMs: number | undefined;
  /** Why it cannot take anything at the moment; undefined: it can. */
  readonly trouble: string | undefined;
}

/**
 * Keeps blocked addresses, until when, and what each engine holds, so that neither a block nor its relay is lost. One
 * process owns it.
 */
export interface FeedQueue extends AsyncDisposable {
  readonly type: 'embedded' | 'rabbitmq';
  /** All or nothing; resolves when durable. Throws `FeedUnavailableError` where it is full or cannot be written. */
  put(sightings: readonly Sighting[]): Promise<PutResult>;
  /**
   * What a sink is to work on: pending entries whose time to retry has come, and entries blocked for longer than an
   * engine holds them, `leadMs` before it lets go. Never what has expired. Oldest first.
   */
  due(nowMs: number, leadMs: number): readonly FeedEntry[];
  /** When `due` has something next, in epoch milliseconds, maybe in the past; undefined: not without another `put`. */
  nextDueMs(leadMs: number): number | undefined;
  /**
   * Records outcomes as they come in, so that a crash repeats as little as possible. Unknown addresses are passed over.
   * This and what changes else throws `FeedUnavailableError` where it cannot be made durable.
   */
  settle(settlements: readonly Settlement[]): Promise<void>;
  /** Ends work on entries of `due`, after their settlements. */
  conclude(conclusions: readonly Conclusion[]): Promise<void>;
  /** Lifts a block and ends its relay; what engines hold stays there. False where there is none. */
  remove(address: string): Promise<boolean>;
  /** Forgets what has had its time. */
  expire(nowMs: number): Promise<void>;
  find(address: string): FeedEntry | undefined;
  /** In the order in which they were first blocked. Live: do not await while iterating. */
  entries(): Iterable<FeedEntry>;
  status(): QueueStatus;
  /** Called after each change, when it is durable. Listeners must not throw. */
  onChange(listener: (change: QueueChange) => void): Disposable;
}
