/** Measures for how long a number of bytes has not changed. */
export class Stall {
  #bytes = -1;
  #sinceMs: number;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  lastsMs(nowMs: number, bytes: number): number {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs;
  }
}
