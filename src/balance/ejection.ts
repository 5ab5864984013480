/** No ejection lasts longer, unless the configured base does; staying in for as long clears the record. */
const LONGEST_MS = 300_000;

/** The pool at the moment when one member's connections keep failing. */
export interface EjectionCase {
  /** Members that may carry traffic: all but those in drain or maintenance. */
  readonly members: number;
  /** Of these, how many are up, the accused included. */
  readonly up: number;
  /** Of these, how many are ejected already. */
  readonly ejected: number;
  /** 0 to 1: the part of the members that may be ejected at a time. */
  readonly maxEjected: number;
}

/**
 * Whether one more member may be ejected. One always may where the part is above 0, but never the last one that is up:
 * a member that fails some connections is better than none.
 */
export function mayEject({ members, up, ejected, maxEjected }: EjectionCase): boolean {
  if (maxEjected <= 0 || up <= 1) return false;
  return ejected < Math.max(1, Math.floor(members * maxEjected));
}

/** How often a member was ejected lately, and so for how long it is next time. */
export class EjectionRecord {
  readonly #baseMs: number;
  #times = 0;
  #endedAtMs = Number.NEGATIVE_INFINITY;

  constructor(baseMs: number) {
    this.#baseMs = baseMs;
  }

  /** Starts an ejection and returns its length: the base, times the number of ejections in the record. */
  begin(nowMs: number): number {
    if (nowMs - this.#endedAtMs >= LONGEST_MS) this.#times = 0;
    this.#times += 1;
    return Math.min(this.#baseMs * this.#times, Math.max(this.#baseMs, LONGEST_MS));
  }

  end(nowMs: number): void {
    this.#endedAtMs = nowMs;
  }
}
