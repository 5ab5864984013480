const AFTER_HEAD = Buffer.from('\r\n\r\n');
const AFTER_BODY = Buffer.from('\r\n0\r\n\r\n');

/**
 * Finds the end of a message of this bench at the price of a look at its last bytes: no body holds what ends one, and
 * nothing follows a message before it was answered.
 */
export class MessageEnd {
  #end = AFTER_HEAD;
  #tail = Buffer.alloc(0);

  begin(hasBody: boolean): void {
    this.#end = hasBody ? AFTER_BODY : AFTER_HEAD;
    this.#tail = Buffer.alloc(0);
  }

  /** Takes the bytes that came next. They may be used again after the call. */
  isReachedBy(chunk: Buffer): boolean {
    const { length } = this.#end;
    const isShort = chunk.length < length;
    const last = isShort ? Buffer.concat([this.#tail, chunk]) : chunk;
    const tail = last.subarray(-length);
    if (tail.equals(this.#end)) return true;
    this.#tail = Buffer.from(tail);
    return false;
  }
}
