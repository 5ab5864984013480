/** Bodies are kept in pages of one size, so that what one transaction gives back fits the next. */
const PAGE_BYTES = 16 * 1024;
/** Pages of this thread that wait for the next body; more than these go back to the system. */
const MAX_SPARE_PAGES = 256;

const spare: Buffer[] = [];

/**
 * The beginning of a request's body, kept for a replay: all that came, or nothing any more. Pieces are copied in, so that
 * a body in tiny pieces costs no more memory than a body in large ones.
 */
export class BodyStore {
  /** Bytes received, kept or not. */
  receivedBytes = 0;
  #pages: Buffer[] = [];
  #isWhole = true;

  /** Whether every byte received is still here. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  append(piece: Buffer): void {
    let at = this.receivedBytes;
    this.receivedBytes += piece.length;
    if (!this.#isWhole) return;
    for (let from = 0; from < piece.length; ) {
      const offset = at % PAGE_BYTES;
      if (offset === 0) this.#pages.push(spare.pop() ?? Buffer.allocUnsafeSlow(PAGE_BYTES));
      const page = this.#pages[this.#pages.length - 1] as Buffer;
      const length = Math.min(piece.length - from, PAGE_BYTES - offset);
      piece.copy(page, offset, from, from + length);
      from += length;
      at += length;
    }
  }

  /** Counts bytes that are of no use to a replay any more. */
  skip(bytes: number): void {
    this.receivedBytes += bytes;
    if (this.#isWhole) this.forget();
  }

  /** What is kept. Views that are valid until `forget`, in order. */
  pieces(): readonly Buffer[] {
    return this.#pages.map((page, index) =>
      page.subarray(0, Math.min(PAGE_BYTES, this.receivedBytes - index * PAGE_BYTES)),
    );
  }

  /** Gives up what is kept and keeps nothing from now on: no replay is possible any more. */
  forget(): void {
    this.#isWhole = false;
    for (const page of this.#pages) if (spare.length < MAX_SPARE_PAGES) spare.push(page);
    this.#pages = [];
  }
}
