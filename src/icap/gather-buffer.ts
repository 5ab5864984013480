const FIRST_BYTES = 512;
const EMPTY = Buffer.alloc(0);

/** Gathers pieces into contiguous bytes; linear work and bounded memory however small the pieces are. */
export class GatherBuffer {
  #bytes: Buffer = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(source: Buffer, start: number, end: number): void {
    const length = this.#length + end - start;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(FIRST_BYTES, length, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    source.copy(this.#bytes, this.#length, start, end);
    this.#length = length;
  }

  /** What was gathered so far, without handing it over. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Hands over what was gathered and begins anew. */
  take(): Buffer {
    const gathered = this.view();
    this.#bytes = EMPTY;
    this.#length = 0;
    return gathered;
  }

  /** The gathered byte at `index`, or undefined outside. */
  at(index: number): number | undefined {
    return index < this.#length ? this.#bytes[index] : undefined;
  }
}
