/** Time, as the feed sees it: wall clock, so that ends of blocks mean the same after a restart. Tests hand in their own. */
export interface FeedClock {
  /** Epoch milliseconds. */
  nowMs(): number;
  /** Calls back once after `delayMs` unless it is disposed before; never keeps the process alive. */
  after(delayMs: number, callback: () => void): Disposable;
}

/** Beyond it a timer of the runtime fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const SYSTEM_CLOCK: FeedClock = {
  nowMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(LONGEST_TIMER_MS, Math.max(0, delayMs))).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
