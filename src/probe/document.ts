import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import { messageOf, RuntimeError } from '../errors.ts';

/** What a probe has judged. */
export interface ProbeDocument {
  readonly name: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  /** The content from its beginning, in pieces. */
  read(): AsyncIterable<Buffer> | Iterable<Buffer>;
}

/** A text that is at hand. */
export function textDocument(name: string, text: string): ProbeDocument {
  const content = Buffer.from(text);
  return { name, contentType: 'text/plain', sizeBytes: content.length, read: () => [content] };
}

/** A file that is read while it is sent. Throws RuntimeError where there is none. */
export function fileDocument(path: string): ProbeDocument {
  const sizeBytes = sizeOf(path);
  return {
    name: basename(path),
    contentType: 'application/octet-stream',
    sizeBytes,
    read: () => (sizeBytes === 0 ? [] : readFile(path, sizeBytes)),
  };
}

function sizeOf(path: string): number {
  try {
    const stats = statSync(path);
    if (stats.isFile()) return stats.size;
  } catch (cause) {
    throw new RuntimeError('ICAPGW_PROBE_FILE', { detail: messageOf(cause), cause });
  }
  throw new RuntimeError('ICAPGW_PROBE_FILE', { detail: `${path} is not a regular file` });
}

/** No more than the size that was announced, however the file grows meanwhile. */
async function* readFile(path: string, sizeBytes: number): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { end: sizeBytes - 1, highWaterMark: 64 * 1024 }) as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new RuntimeError('ICAPGW_PROBE_FILE', { detail: messageOf(cause), cause });
  }
}

/** One pass over a document that can be stopped after the preview and taken up again. */
export class DocumentReader {
  readonly #iterator: AsyncIterator<Buffer> | Iterator<Buffer>;
  #left: Buffer = Buffer.alloc(0);

  constructor(document: ProbeDocument) {
    const content = document.read();
    this.#iterator = Symbol.asyncIterator in content ? content[Symbol.asyncIterator]() : content[Symbol.iterator]();
  }

  /** The next piece of at most `maxBytes`, or undefined at the end. */
  async next(maxBytes: number): Promise<Buffer | undefined> {
    if (this.#left.length === 0) {
      const { value, done } = await this.#iterator.next();
      if (done === true) return undefined;
      this.#left = value;
    }
    const piece = this.#left.subarray(0, maxBytes);
    this.#left = this.#left.subarray(piece.length);
    return piece;
  }

  /** The next `bytes` in one piece, fewer only at the end. */
  async take(bytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let missing = bytes; missing > 0; ) {
      const piece = await this.next(missing);
      if (piece === undefined) break;
      pieces.push(piece);
      missing -= piece.length;
    }
    return Buffer.concat(pieces);
  }

  /** Closes the file, if it is one and was not read to its end. */
  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}
