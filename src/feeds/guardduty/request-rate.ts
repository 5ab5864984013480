/** Lets so many requests a second through, and as many at once. The caller brings a clock that nobody sets back. */
export class RequestRate {
  #perSecond: number;
  #tokens: number;
  #atMs: number | undefined;

  /** 0: no limit. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  /** 0 where the request may pass; else in how many whole seconds the next one may. */
  take(nowMs: number): number {
    if (this.#perSecond === 0) return 0;
    const passedMs = Math.max(0, nowMs - (this.#atMs ?? nowMs));
    this.#atMs = nowMs;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + (passedMs * this.#perSecond) / 1000);
    if (this.#tokens < 1) return Math.ceil((1 - this.#tokens) / this.#perSecond);
    this.#tokens -= 1;
    return 0;
  }

  /** Changes the limit; what was used of the one before stays used. */
  set perSecond(perSecond: number) {
    if (this.#perSecond === 0) this.#tokens = perSecond;
    this.#perSecond = perSecond;
    this.#tokens = Math.min(this.#tokens, perSecond);
  }
}
