/**
 * What is remembered of a member that said it was overloaded. Additive increase, multiplicative decrease, as TCP does:
 * it gets half of what it could not carry, then gradually more, until it carries all of it.
 */
export interface Saturation {
  /** Connections that may be in use at a time; 0: no limit but the configured one. */
  readonly cap: number;
  /** How many were in use when it was overloaded: the cap goes once it has grown so far. */
  readonly ceiling: number;
}

/** A cap moves at most this often. One overload is told by many answers at a time, which must halve only once. */
const STEP_MS = 1_000;

/** From half to whole in about so many steps, however large the ceiling. */
const STEPS_TO_RECOVER = 32;

/** A member that asks to be left alone for longer is asked again all the same. */
const LONGEST_PAUSE_MS = 60_000;

/** The cap after an overload with `active` connections in use. */
export function lowered({ cap, ceiling }: Saturation, active: number): Saturation {
  const half = Math.max(1, Math.floor(active / 2));
  // An overload below the cap of an earlier one is the same story: only growing past its whole height ends it.
  return cap === 0 ? { cap: half, ceiling: active } : { cap: Math.min(cap, half), ceiling: Math.max(ceiling, active) };
}

/** The cap one step later, 0 when it has done its duty. `limit` is the configured one, 0 for none. */
export function raised({ cap, ceiling }: Saturation, limit: number): number {
  const next = cap + Math.max(1, Math.ceil(ceiling / 2 / STEPS_TO_RECOVER));
  return next >= ceiling || (limit > 0 && next >= limit) ? 0 : next;
}

/** The lower of two limits, of which 0 is none. */
export function lowerLimit(a: number, b: number): number {
  if (a === 0) return b;
  return b === 0 ? a : Math.min(a, b);
}

/**
 * The form in which a time is kept: 32 bits of milliseconds, which go round every 49 days and are compared by their
 * distance. 0 stands for no time at all. One that was forgotten for a whole round looks new for as long as it spans.
 */
export function stampOf(timeMs: number): number {
  return timeMs | 0 || 1;
}

/** Whether a cap that moved at `stamp` has to stay for now. */
export function hasJustMoved(stamp: number, nowMs: number): boolean {
  // Either way round: the thread that moved it may have read the clock a moment after this one.
  return stamp !== 0 && Math.abs((nowMs - stamp) | 0) < STEP_MS;
}

/** When a pause ends that is asked for now while another runs until `stamp`: the later of the two. */
export function pauseEnd(stamp: number, nowMs: number, pauseMs: number): number {
  const wanted = Math.min(pauseMs, LONGEST_PAUSE_MS);
  return pauseLeftMs(stamp, nowMs) >= wanted ? stamp : stampOf(nowMs + wanted);
}

/** How long a pause until `stamp` has still to run; 0 when it is over. */
export function pauseLeftMs(stamp: number, nowMs: number): number {
  if (stamp === 0) return 0;
  const left = (stamp - nowMs) | 0;
  return left > 0 && left <= LONGEST_PAUSE_MS ? left : 0;
}
