import type { FeedClock } from '../../src/feeds/contract/feed-clock.ts';

/** A clock that stands still until a test moves it. */
export interface FakeFeedClock extends FeedClock {
  /** Lets time pass, and calls back whoever waits, in order. */
  advance(ms: number): void;
  /** Sets the date back; who waits does not wait longer for that. */
  setBack(ms: number): void;
  /** When the next callback comes, counted from now; undefined: nobody waits. */
  readonly nextInMs: number | undefined;
}

/** Starts at a fixed date. */
export function createFeedClock(startMs: number = Date.UTC(2026, 0, 1)): FakeFeedClock {
  const waiting: Set<{ readonly atMs: number; readonly callback: () => void }> = new Set();
  let nowMs = startMs;
  let behindMs = 0;
  const next = () => [...waiting].sort((a, b) => a.atMs - b.atMs)[0];
  return {
    nowMs: () => nowMs - behindMs,
    after(delayMs, callback) {
      const timer = { atMs: nowMs + Math.max(0, delayMs), callback };
      waiting.add(timer);
      return { [Symbol.dispose]: () => waiting.delete(timer) };
    },
    advance(ms) {
      const untilMs = nowMs + ms;
      for (let timer = next(); timer !== undefined && timer.atMs <= untilMs; timer = next()) {
        waiting.delete(timer);
        nowMs = timer.atMs;
        timer.callback();
      }
      nowMs = untilMs;
    },
    setBack(ms) {
      behindMs += ms;
    },
    get nextInMs() {
      const timer = next();
      return timer === undefined ? undefined : timer.atMs - nowMs;
    },
  };
}
