const WINDOW_MS = 60_000;

interface Sample {
  readonly atMs: number;
  readonly totals: readonly number[];
}

/** What ever-growing totals gained within the last minute. The caller samples every few seconds, and gives the time. */
export class LastMinute {
  readonly #samples: Sample[] = [];

  record(atMs: number, totals: readonly number[]): void {
    this.#samples.push({ atMs, totals });
    // The youngest one that is a minute old is what the present is compared with.
    while ((this.#samples[1]?.atMs ?? Number.POSITIVE_INFINITY) <= atMs - WINDOW_MS) this.#samples.shift();
  }

  /** In less than a minute after the first sample: since then. */
  gained(totals: readonly number[]): readonly number[] {
    const before = this.#samples[0]?.totals;
    if (before === undefined) return totals.map(() => 0);
    return totals.map((total, index) => Math.max(0, total - (before[index] ?? 0)));
  }
}
