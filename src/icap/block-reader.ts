import { type ErrorCode, IcapProtocolError } from '../errors.ts';
import type { ByteInput } from './byte-input.ts';
import { GatherBuffer } from './gather-buffer.ts';

const CR = 0x0d;
const LF = 0x0a;

/** Cuts one block of lines with the blank line that ends it out of the input, wherever packets split it. */
export class BlockReader {
  readonly #maxBytes: number;
  readonly #bareLf: boolean;
  readonly #base: number;
  readonly #gathered: GatherBuffer = new GatherBuffer();
  #lineStart = 0;

  /** `base` is the message offset of the block's first byte, for errors. */
  constructor(maxBytes: number, bareLf: boolean, base: number) {
    this.#maxBytes = maxBytes;
    this.#bareLf = bareLf;
    this.#base = base;
  }

  /** The whole block, or undefined while its blank line is missing. The block is a copy, or a view until the next push. */
  read(input: ByteInput): Buffer | undefined {
    while (input.fill()) {
      const { chunk, at } = input;
      const end = this.#scan(chunk, at);
      const size = this.#gathered.length + (end ?? chunk.length) - at;
      if (size > this.#maxBytes) this.#fail('ICAPGW_ICAP_HEAD_TOO_LARGE', this.#maxBytes);
      input.moveTo(end ?? chunk.length);
      if (end !== undefined && this.#gathered.length === 0) return chunk.subarray(at, end);
      this.#gathered.append(chunk, at, end ?? chunk.length);
      if (end !== undefined) return this.#gathered.take();
    }
    return undefined;
  }

  /** The index in `chunk` behind the blank line, or undefined. Looks at every byte once. */
  #scan(chunk: Buffer, at: number): number | undefined {
    const shift = this.#gathered.length - at;
    for (let lf = chunk.indexOf(LF, at); lf !== -1; lf = chunk.indexOf(LF, lf + 1)) {
      const offset = lf + shift;
      if (offset >= this.#maxBytes) this.#fail('ICAPGW_ICAP_HEAD_TOO_LARGE', this.#maxBytes);
      const previous = lf > at ? chunk[lf - 1] : this.#gathered.at(offset - 1);
      const hasCr = previous === CR && offset > this.#lineStart;
      // A line feed alone would be a line end to some backends and a part of the value to others.
      if (!hasCr && !this.#bareLf) this.#fail('ICAPGW_ICAP_BAD_HEADER', offset);
      if (offset - this.#lineStart === Number(hasCr)) return lf + 1;
      this.#lineStart = offset + 1;
    }
    return undefined;
  }

  #fail(code: ErrorCode, offset: number): never {
    throw new IcapProtocolError(code, { offset: this.#base + offset });
  }
}
