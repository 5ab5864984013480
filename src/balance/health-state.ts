/** How many results in a row it takes to believe a change. */
export interface HealthThresholds {
  /** Successes that bring a member back up. */
  readonly rise: number;
  /** Failures that take a member down. */
  readonly fall: number;
}

/** Consecutive-result hysteresis for one member. Pure: the caller decides when to probe. */
export class HealthState {
  readonly #thresholds: HealthThresholds;
  #healthy: boolean;
  #streak = 0;

  constructor(thresholds: HealthThresholds, initiallyHealthy: boolean) {
    this.#thresholds = thresholds;
    this.#healthy = initiallyHealthy;
  }

  get healthy(): boolean {
    return this.#healthy;
  }

  /** Records one probe result. Returns true when this result flipped the state. */
  observe(success: boolean): boolean {
    if (success === this.#healthy) {
      this.#streak = 0;
      return false;
    }
    this.#streak += 1;
    const needed = success ? this.#thresholds.rise : this.#thresholds.fall;
    if (this.#streak < needed) return false;
    this.#healthy = success;
    this.#streak = 0;
    return true;
  }
}
