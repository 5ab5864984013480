import type { TimeoutsConfig } from '../../config/config.ts';

/** The limit that a transaction has reached. */
export type Expired = 'total' | 'response' | 'body-idle';

/** A transaction at the moment of a look. */
export interface Standing {
  /** Since when a backend owes the first byte of its answer: from the end of the upload, not from its beginning. */
  readonly waitingSinceMs: number | undefined;
  readonly isSearching: boolean;
  /** Bytes taken from the client and given to it, all in all. */
  readonly movedBytes: number;
}

/** The clocks of one transaction. They are looked at from time to time, which costs nothing while bytes move. */
export class Deadlines {
  readonly #timeouts: TimeoutsConfig;
  readonly #startedMs: number;
  #movedBytes = 0;
  #movedMs: number;

  constructor(timeouts: TimeoutsConfig, startedMs: number) {
    this.#timeouts = timeouts;
    this.#startedMs = startedMs;
    this.#movedMs = startedMs;
  }

  /** Which limit is reached, if any. */
  check(nowMs: number, { waitingSinceMs, isSearching, movedBytes }: Standing): Expired | undefined {
    const { totalMs, responseMs, bodyIdleMs } = this.#timeouts;
    if (nowMs - this.#startedMs >= totalMs) return 'total';
    if (waitingSinceMs !== undefined) return nowMs - waitingSinceMs >= responseMs ? 'response' : undefined;
    if (movedBytes === this.#movedBytes && !isSearching) {
      return nowMs - this.#movedMs >= bodyIdleMs ? 'body-idle' : undefined;
    }
    this.#movedBytes = movedBytes;
    this.#movedMs = nowMs;
    return undefined;
  }
}
