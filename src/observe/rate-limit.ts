const WINDOW_MS = 1000;

interface Window {
  startMs: number;
  count: number;
}

/** How often something was held back, to be said once its second is over. */
export interface Suppressed {
  readonly key: string;
  readonly count: number;
}

/** Lets so many events of each key through in a second and counts the others. Keys must come from a closed set. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #windows = new Map<string, Window>();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Call `expired` first: a window is begun again only after what it held back was told. */
  allow(key: string, nowMs: number): boolean {
    const window = this.#windows.get(key);
    if (window === undefined) {
      this.#windows.set(key, { startMs: nowMs, count: 1 });
      return true;
    }
    window.count += 1;
    return window.count <= this.#perSecond;
  }

  /** Ends the windows that are over and tells what they held back. `Infinity` ends all. */
  expired(nowMs: number): readonly Suppressed[] {
    const suppressed: Suppressed[] = [];
    for (const [key, { startMs, count }] of this.#windows) {
      // A clock that was set back must not keep a window open.
      if (nowMs >= startMs && nowMs < startMs + WINDOW_MS) continue;
      this.#windows.delete(key);
      if (count > this.#perSecond) suppressed.push({ key, count: count - this.#perSecond });
    }
    return suppressed;
  }
}
