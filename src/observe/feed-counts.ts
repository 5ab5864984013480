import {
  FEED_ADDRESS_RESULTS,
  FEED_IGNORE_REASONS,
  type FeedAddressResult,
  type FeedIgnoreReason,
  type FeedTally,
  SMC_ENTRY_RESULTS,
  SMC_OPERATIONS,
  type SmcEntryResult,
  type SmcOperation,
} from './feed-tally.ts';

/** The statuses that a listener for findings answers. */
export const FEED_CODES = [200, 400, 401, 403, 404, 405, 408, 413, 429, 500, 503] as const;

/** One count with its labels in the order of the metric. */
export type FeedCount = readonly [labels: readonly string[], count: number];

/** What the threat feed has counted since the start: kept apart from the metrics, which are loaded later. */
export class FeedCounts implements FeedTally {
  readonly #requests: CountTable = new CountTable();
  readonly #addresses: CountTable = new CountTable();
  readonly #ignored: CountTable = new CountTable();
  readonly #smcRequests: CountTable = new CountTable();
  readonly #smcEntries: CountTable = new CountTable();
  #isSmcUp = false;

  /** Those of the sources that are told begin with 0. */
  constructor(feeds: readonly string[]) {
    for (const feed of feeds) {
      for (const code of FEED_CODES) this.#requests.add([feed, String(code)], 0);
      for (const result of FEED_ADDRESS_RESULTS) this.#addresses.add([feed, result], 0);
      for (const reason of FEED_IGNORE_REASONS) this.#ignored.add([feed, reason], 0);
    }
    for (const operation of SMC_OPERATIONS) {
      for (const code of ['200', 'error']) this.#smcRequests.add([operation, code], 0);
    }
  }

  request(feed: string, code: number): void {
    this.#requests.add([feed, String(code)], 1);
  }

  addresses(feed: string, result: FeedAddressResult, count: number): void {
    this.#addresses.add([feed, result], count);
  }

  ignored(feed: string, reason: FeedIgnoreReason, count: number): void {
    this.#ignored.add([feed, reason], count);
  }

  smcUp(isUp: boolean): void {
    this.#isSmcUp = isUp;
  }

  smcRequest(operation: SmcOperation, code: number | 'error'): void {
    this.#smcRequests.add([operation, String(code)], 1);
  }

  smcEntries(engine: string, result: SmcEntryResult, count: number): void {
    for (const each of SMC_ENTRY_RESULTS) this.#smcEntries.add([engine, each], each === result ? count : 0);
  }

  get isSmcUp(): boolean {
    return this.#isSmcUp;
  }

  /** By feed and code. */
  get requestCounts(): Iterable<FeedCount> {
    return this.#requests.counts;
  }

  /** By feed and result. */
  get addressCounts(): Iterable<FeedCount> {
    return this.#addresses.counts;
  }

  /** By feed and reason. */
  get ignoredCounts(): Iterable<FeedCount> {
    return this.#ignored.counts;
  }

  /** By operation and code. */
  get smcRequestCounts(): Iterable<FeedCount> {
    return this.#smcRequests.counts;
  }

  /** By engine and result. */
  get smcEntryCounts(): Iterable<FeedCount> {
    return this.#smcEntries.counts;
  }
}

class CountTable {
  readonly #rows: Map<string, FeedCount> = new Map();

  add(labels: readonly string[], count: number): void {
    const key = labels.join('\0');
    this.#rows.set(key, [labels, (this.#rows.get(key)?.[1] ?? 0) + count]);
  }

  get counts(): Iterable<FeedCount> {
    return this.#rows.values();
  }
}
