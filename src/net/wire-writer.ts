import type { Socket } from 'node:net';

/** As much as libuv reads at a time, with room for framing around it. */
const SCRATCH_BYTES = 80 * 1024;

/** One buffer for what all connections of this thread write: it is filled and handed over before anything else runs. */
let scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/**
 * Gathers pieces for one socket, so that what belongs together leaves in one write. Pieces are copied at `flush`, not
 * before: they must stay as they are until then, and may be used again after it.
 */
export class WireWriter {
  /** All that was flushed. */
  bytesWritten = 0;
  readonly #socket: Socket;
  readonly #copies: boolean;
  readonly #pieces: (Buffer | string)[] = [];

  /** `copies`: the socket has taken a copy when `write` returns, as TLS does while nothing waits before it. */
  constructor(socket: Socket, copies: boolean) {
    this.#socket = socket;
    this.#copies = copies;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Text is Latin-1: one character, one byte. */
  add(piece: Buffer | string): void {
    this.#pieces.push(piece);
  }

  /** Hands everything over. Returns false when the socket wants to drain before it is given more. */
  flush(): boolean {
    let at = 0;
    for (const piece of this.#pieces) {
      let from = 0;
      while (from < piece.length) {
        if (at === SCRATCH_BYTES) {
          this.#write(at);
          at = 0;
        }
        const length = Math.min(piece.length - from, SCRATCH_BYTES - at);
        if (typeof piece === 'string') scratch.write(from === 0 ? piece : piece.slice(from), at, length, 'latin1');
        else piece.copy(scratch, at, from, from + length);
        at += length;
        from += length;
      }
    }
    this.#pieces.length = 0;
    if (at > 0) this.#write(at);
    return !this.#socket.writableNeedDrain;
  }

  #write(length: number): void {
    this.bytesWritten += length;
    const view = scratch.subarray(0, length);
    const socket = this.#socket;
    if (socket.writableLength > 0) {
      // It waits behind others where it is, and the scratch is needed again before its turn comes.
      socket.write(Buffer.from(view));
      return;
    }
    socket.write(view);
    // The kernel did not take all of it at once: the rest is read from this buffer later, so it is given up.
    if (!this.#copies && socket.writableLength > 0) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }
}
