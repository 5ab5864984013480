/** How a sink is doing, for the status page and the admin endpoint. */
export interface SinkStatus {
  /** Whether the last session worked; false before the first one ended. */
  readonly up: boolean;
  /** The version of the other side's interface that was agreed on. */
  readonly version: string | undefined;
  /** ISO times. */
  readonly lastSuccess: string | undefined;
  /** A sentence without secrets; undefined: none since the last success. */
  readonly lastError: string | undefined;
}

/** Brings blocked addresses from a queue to where else they are enforced, from its start until it is disposed. */
export interface FeedSink extends AsyncDisposable {
  readonly name: string;
  status(): SinkStatus;
  /** Forgets what it waits for and tries at once: credentials may be others now. Must not throw. */
  retryNow(): void;
}
