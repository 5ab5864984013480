const SMALLEST_BYTES = 1024;
const LARGEST_BYTES = 64 * 1024;

/**
 * The beginning of a request's body, kept for a replay: all that came, or nothing any more. Pieces are copied in, so that
 * a body in tiny pieces costs no more memory than a body in large ones.
 */
export class BodyStore {
  /** Bytes received, kept or not. */
  receivedBytes = 0;
  #chunks: Buffer[] = [];
  /** Bytes in the last chunk that are in use. */
  #used = 0;
  #isWhole = true;

  /** Whether every byte received is still here. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  append(piece: Buffer): void {
    this.receivedBytes += piece.length;
    if (!this.#isWhole) return;
    let from = 0;
    while (from < piece.length) {
      let chunk = this.#chunks.at(-1);
      if (chunk === undefined || this.#used === chunk.length) {
        const wanted = Math.max(SMALLEST_BYTES, this.receivedBytes, piece.length - from);
        chunk = Buffer.allocUnsafe(Math.min(LARGEST_BYTES, wanted));
        this.#chunks.push(chunk);
        this.#used = 0;
      }
      const length = Math.min(piece.length - from, chunk.length - this.#used);
      piece.copy(chunk, this.#used, from, from + length);
      this.#used += length;
      from += length;
    }
  }

  /** What is kept, from byte `start` on. Views, in order. */
  piecesFrom(start: number): readonly Buffer[] {
    const pieces: Buffer[] = [];
    let base = 0;
    for (const [index, chunk] of this.#chunks.entries()) {
      const length = index === this.#chunks.length - 1 ? this.#used : chunk.length;
      if (base + length > start) pieces.push(chunk.subarray(Math.max(0, start - base), length));
      base += length;
    }
    return pieces;
  }

  /** Gives up what is kept and keeps nothing from now on: no replay is possible any more. */
  forget(): void {
    this.#isWhole = false;
    this.#chunks = [];
  }
}
