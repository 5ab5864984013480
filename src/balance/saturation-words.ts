import { hasJustMoved, lowered, pauseEnd, pauseLeftMs, raised, stampOf } from './saturation.ts';

const CAP = 0;
const CEILING = 1;
const LOWERED_AT = 2;
const RAISED_AT = 3;
const PAUSED_UNTIL = 4;

/** How many words each record takes. */
export const SATURATION_WORDS = 5;

/** Records of saturation in memory that all threads share. A record is named by the index of its first word. */
export class SaturationWords {
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(words: Int32Array<SharedArrayBuffer>) {
    this.#words = words;
  }

  capOf(at: number): number {
    return Atomics.load(this.#words, at + CAP);
  }

  isPaused(at: number, nowMs: number): boolean {
    return pauseLeftMs(Atomics.load(this.#words, at + PAUSED_UNTIL), nowMs) > 0;
  }

  clear(at: number): void {
    Atomics.store(this.#words, at + CAP, 0);
    Atomics.store(this.#words, at + PAUSED_UNTIL, 0);
  }

  pause(at: number, nowMs: number, pauseMs: number): void {
    const until = Atomics.load(this.#words, at + PAUSED_UNTIL);
    Atomics.store(this.#words, at + PAUSED_UNTIL, pauseEnd(until, nowMs, pauseMs));
  }

  /** Lowers the cap for an overload with `active` connections in use, unless it was lowered for that one already. */
  lower(at: number, nowMs: number, active: number): void {
    const before = { cap: this.capOf(at), ceiling: Atomics.load(this.#words, at + CEILING) };
    const loweredAt = Atomics.load(this.#words, at + LOWERED_AT);
    if (before.cap !== 0 && hasJustMoved(loweredAt, nowMs)) return;
    // Of several threads that hear of one overload at the same moment one makes the step.
    if (Atomics.compareExchange(this.#words, at + LOWERED_AT, loweredAt, stampOf(nowMs)) !== loweredAt) return;
    const { cap, ceiling } = lowered(before, active);
    Atomics.store(this.#words, at + RAISED_AT, stampOf(nowMs));
    Atomics.store(this.#words, at + CEILING, ceiling);
    Atomics.store(this.#words, at + CAP, cap);
  }

  /** Raises the cap, where there is one, when it is time to. Returns whether it did. */
  raise(at: number, nowMs: number, limit: number): boolean {
    const cap = this.capOf(at);
    if (cap === 0) return false;
    const raisedAt = Atomics.load(this.#words, at + RAISED_AT);
    if (hasJustMoved(raisedAt, nowMs)) return false;
    if (Atomics.compareExchange(this.#words, at + RAISED_AT, raisedAt, stampOf(nowMs)) !== raisedAt) return false;
    const next = raised({ cap, ceiling: Atomics.load(this.#words, at + CEILING) }, limit);
    // Not when another saturation has lowered it in between.
    return Atomics.compareExchange(this.#words, at + CAP, cap, next) === cap;
  }
}
