const EMPTY = Buffer.alloc(0);

/**
 * Received bytes in order, with one position that all readers of a connection share. Nothing is copied: what is not yet
 * read stays in the buffers it came in.
 */
export class ByteInput {
  readonly #queue: Buffer[] = [];
  #queuedBytes = 0;
  #chunk: Buffer = EMPTY;
  #at = 0;
  /** Message offset of the first byte of `#chunk`. */
  #base = 0;

  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
  }

  /** The buffer the position is in. Only meaningful after `fill` returned true. */
  get chunk(): Buffer {
    return this.#chunk;
  }

  /** The position inside `chunk`. */
  get at(): number {
    return this.#at;
  }

  /** The position counted from the last `startMessage`. */
  get offset(): number {
    return this.#base + this.#at;
  }

  get unreadBytes(): number {
    return this.#chunk.length - this.#at + this.#queuedBytes;
  }

  /** Makes sure that `chunk` holds an unread byte; false when everything was read. */
  fill(): boolean {
    if (this.#at < this.#chunk.length) return true;
    const next = this.#queue.shift();
    if (next === undefined) return false;
    this.#base += this.#chunk.length;
    this.#queuedBytes -= next.length;
    this.#chunk = next;
    this.#at = 0;
    return true;
  }

  /** Copies what is unread, so that the buffers it came in may be used again. */
  keep(): void {
    if (this.unreadBytes === 0) return;
    if (this.#at < this.#chunk.length) {
      const unread = Buffer.from(this.#chunk.subarray(this.#at));
      this.#base += this.#at;
      this.#chunk = unread;
      this.#at = 0;
    }
    for (const [index, queued] of this.#queue.entries()) this.#queue[index] = Buffer.from(queued);
  }

  /** Moves the position to `at`, which lies inside `chunk` or right behind it. */
  moveTo(at: number): void {
    this.#at = at;
  }

  /** A view of up to `maxBytes` unread bytes of `chunk`, which are read by that. */
  take(maxBytes: number): Buffer {
    const start = this.#at;
    this.#at = Math.min(this.#chunk.length, start + maxBytes);
    return this.#chunk.subarray(start, this.#at);
  }

  /** Offsets count from the current position on. */
  startMessage(): void {
    this.#base = -this.#at;
  }
}
