export const FEED_ADDRESS_RESULTS = ['blocked', 'extended', 'ignored'] as const;
export type FeedAddressResult = (typeof FEED_ADDRESS_RESULTS)[number];

export const FEED_IGNORE_REASONS = ['own', 'allowed', 'reserved', 'private', 'archived', 'severity'] as const;
export type FeedIgnoreReason = (typeof FEED_IGNORE_REASONS)[number];

export const SMC_OPERATIONS = ['versions', 'login', 'entry-points', 'engines', 'engine', 'add', 'logout'] as const;
export type SmcOperation = (typeof SMC_OPERATIONS)[number];

export const SMC_ENTRY_RESULTS = ['added', 'rejected', 'expired'] as const;
export type SmcEntryResult = (typeof SMC_ENTRY_RESULTS)[number];

/** What the threat feed counts. One method per event. */
export interface FeedTally {
  /** `code` is the HTTP status of the answer. */
  request(feed: string, code: number): void;
  addresses(feed: string, result: FeedAddressResult, count: number): void;
  ignored(feed: string, reason: FeedIgnoreReason, count: number): void;
  /** After each session with the SMC. */
  smcUp(isUp: boolean): void;
  smcRequest(operation: SmcOperation, code: number | 'error'): void;
  /** Counted per address. */
  smcEntries(engine: string, result: SmcEntryResult, count: number): void;
}
