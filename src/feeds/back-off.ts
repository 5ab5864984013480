export interface BackOffOptions {
  /** After the first failure. */
  readonly firstMs: number;
  /** However many failures there were. */
  readonly mostMs: number;
  /** As Math.random. */
  readonly random: () => number;
}

/** Pauses are spread, so that several relays of one SMC do not come back at the same moment. */
const JITTER = 0.2;

/** When something that fails may be tried again: later and later, until it works. Pure: the caller brings the time. */
export class BackOff {
  readonly #options: BackOffOptions;
  #failureCount = 0;
  #readyMs = 0;

  constructor(options: BackOffOptions) {
    this.#options = options;
  }

  /** Since it worked last. */
  get failureCount(): number {
    return this.#failureCount;
  }

  /** Epoch milliseconds. */
  get readyMs(): number {
    return this.#readyMs;
  }

  /** Returns when to try again. What the other side asked for is kept to: never earlier, and not much later. */
  failed(nowMs: number, askedMs: number | undefined): number {
    const { firstMs, mostMs, random } = this.#options;
    const doubledMs = Math.min(mostMs, firstMs * 2 ** Math.min(this.#failureCount, 30));
    this.#failureCount += 1;
    const pauseMs =
      askedMs === undefined ? doubledMs * (1 - JITTER + 2 * JITTER * random()) : askedMs * (1 + JITTER * random());
    this.#readyMs = nowMs + Math.round(pauseMs);
    return this.#readyMs;
  }

  /** Leaves the doubling out: what is wrong does not mend itself. */
  holdUntil(readyMs: number): void {
    this.#failureCount += 1;
    this.#readyMs = readyMs;
  }

  succeeded(): void {
    this.#failureCount = 0;
    this.#readyMs = 0;
  }

  /** Ends the pause, not the count. */
  forget(): void {
    this.#readyMs = 0;
  }
}
