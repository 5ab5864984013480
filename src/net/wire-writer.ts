import type { Socket } from 'node:net';

/** RFC 8446 section 5.1: the most that one record of TLS carries. Who sends as much has more to send, as a rule. */
export const TLS_RECORD_BYTES: number = 16 * 1024;

/** As much as libuv reads at a time, with room for framing around it. */
const BUFFER_BYTES = 80 * 1024;
/** Buffers of this thread that wait for the next burst; more than these go back to the system. */
const MAX_SPARE_BUFFERS = 16;

/** One buffer for what all connections of this thread write at once: it is filled and handed over before anything else runs. */
let scratch: Buffer = allocate();
const spare: Buffer[] = [];

/**
 * Gathers pieces for one socket, so that what belongs together leaves in one write. Pieces are copied at `flush` or `hold`,
 * not before: they must stay as they are until then, and may be used again after it.
 */
export class WireWriter {
  /** All that was handed over. */
  bytesWritten = 0;
  readonly #socket: Socket;
  readonly #copies: boolean;
  readonly #pieces: (Buffer | string)[] = [];
  /** Of a burst that goes on; undefined: there is none, and pieces are gathered in `scratch`. */
  #held: Buffer | undefined;
  /** What was gathered. */
  #length = 0;

  /** `copies`: the socket has taken a copy when `write` returns, as TLS does while nothing waits before it. */
  constructor(socket: Socket, copies: boolean) {
    this.#socket = socket;
    this.#copies = copies;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0 && this.#held === undefined;
  }

  /** Text is Latin-1: one character, one byte. */
  add(piece: Buffer | string): void {
    this.#pieces.push(piece);
  }

  /**
   * Keeps everything for what comes next: a burst of full records leaves in one write, at the latest when the event loop
   * has looked at all that was received. Returns false when the socket wants to drain before it is given more.
   */
  hold(): boolean {
    if (this.#held === undefined) {
      this.#held = spare.pop() ?? allocate();
      setImmediate(this.#release);
    }
    this.#gather();
    return !this.#socket.writableNeedDrain;
  }

  /** Hands everything over. Returns false when the socket wants to drain before it is given more. */
  flush(): boolean {
    this.#gather();
    if (this.#length > 0) this.#write();
    if (this.#held !== undefined && spare.length < MAX_SPARE_BUFFERS) spare.push(this.#held);
    this.#held = undefined;
    return !this.#socket.writableNeedDrain;
  }

  readonly #release = (): void => {
    if (this.#held === undefined) return;
    // Nobody takes it any more.
    if (!this.#socket.writable) this.#length = 0;
    this.flush();
  };

  #gather(): void {
    let buffer = this.#held ?? scratch;
    let at = this.#length;
    for (const piece of this.#pieces) {
      let from = 0;
      while (from < piece.length) {
        if (at === BUFFER_BYTES) {
          this.#length = at;
          this.#write();
          buffer = this.#held ?? scratch;
          at = 0;
        }
        const length = Math.min(piece.length - from, BUFFER_BYTES - at);
        if (typeof piece === 'string') buffer.write(from === 0 ? piece : piece.slice(from), at, length, 'latin1');
        else piece.copy(buffer, at, from, from + length);
        at += length;
        from += length;
      }
    }
    this.#pieces.length = 0;
    this.#length = at;
  }

  #write(): void {
    const view = (this.#held ?? scratch).subarray(0, this.#length);
    const socket = this.#socket;
    this.bytesWritten += this.#length;
    this.#length = 0;
    if (socket.writableLength > 0) {
      // It waits behind others where it is, and the buffer is needed again before its turn comes.
      socket.write(Buffer.from(view));
      return;
    }
    socket.write(view);
    if (this.#copies || socket.writableLength === 0) return;
    // The kernel did not take all of it at once: the rest is read from this buffer later, so it is given up.
    if (this.#held === undefined) scratch = allocate();
    else this.#held = allocate();
  }
}

function allocate(): Buffer {
  return Buffer.allocUnsafeSlow(BUFFER_BYTES);
}
