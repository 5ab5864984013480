import type { IncomingMessage } from 'node:http';

/** A whole body, or why there is none. `gone`: the sender left, nobody waits for an answer. */
export type BodyReading =
  | { readonly kind: 'read'; readonly bytes: Buffer }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'too-slow' }
  | { readonly kind: 'no-room' }
  | { readonly kind: 'gone' };

export interface BodyLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** For all that are being read. */
  readonly memory: BodyMemory;
}

/** As large as findings are: those who flood with large bodies must not keep them out. */
const SMALL_BYTES = 64 * 1024;
/** What a piece costs beside its bytes: a body can come one byte at a time. */
const PIECE_BYTES = 128;

/** What bodies that are not there yet may take together: as a rule nobody knows yet whether their senders may send them. */
export class BodyMemory {
  readonly #maxBytes: number;
  #usedBytes = 0;

  /** `maxBytes` counts beside the small ones, which always have room, as has one that is alone. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Makes room for more of a body that has `ownBytes`. False, with nothing taken, where there is none. */
  take(bytes: number, ownBytes: number): boolean {
    const isSmall = ownBytes + bytes <= SMALL_BYTES;
    const isAlone = this.#usedBytes === ownBytes;
    if (!isSmall && !isAlone && this.#usedBytes + bytes > this.#maxBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

/** Reads a body up to its limits; what is beyond them stays unread, and the request open. */
export function readBody(request: IncomingMessage, { maxBytes, timeoutMs, memory }: BodyLimits): Promise<BodyReading> {
  const { promise, resolve } = Promise.withResolvers<BodyReading>();
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve({ kind: 'too-large' });
  const chunks: Buffer[] = [];
  let length = 0;
  let takenBytes = 0;
  const finish = (reading: BodyReading): void => {
    clearTimeout(timer);
    memory.give(takenBytes);
    request.off('data', onData).off('end', onEnd).off('close', onClose);
    request.pause();
    resolve(reading);
  };
  const timer = setTimeout(() => finish({ kind: 'too-slow' }), timeoutMs);
  const onData = (chunk: Buffer): void => {
    length += chunk.length;
    if (length > maxBytes) finish({ kind: 'too-large' });
    else if (!memory.take(chunk.length + PIECE_BYTES, takenBytes)) finish({ kind: 'no-room' });
    else {
      takenBytes += chunk.length + PIECE_BYTES;
      chunks.push(chunk);
    }
  };
  const onEnd = (): void => finish({ kind: 'read', bytes: Buffer.concat(chunks) });
  const onClose = (): void => finish({ kind: 'gone' });
  request.on('error', onClose).on('data', onData).on('end', onEnd).on('close', onClose);
  return promise;
}
