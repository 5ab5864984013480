import { IcapProtocolError } from '../errors.ts';
import type { ByteInput } from './byte-input.ts';
import type { HeaderPart, Section } from './encapsulated.ts';
import { GatherBuffer } from './gather-buffer.ts';

const CR = 0x0d;
const LF = 0x0a;
const BLANK_LINES: readonly Buffer[] = [Buffer.from('\r\n\r\n')];
const LENIENT_BLANK_LINES: readonly Buffer[] = [Buffer.from('\n\r\n'), Buffer.from('\n\n')];

/** Reads the encapsulated header blocks of one message. What is in them is the business of HTTP, not of ICAP. */
export class SectionReader {
  readonly #parts: readonly { readonly part: HeaderPart; readonly bytes: number }[];
  readonly #bareLf: boolean;
  readonly #base: number;
  readonly #totalBytes: number;
  readonly #gathered: GatherBuffer = new GatherBuffer();

  /** `base` is the message offset of the first block, for errors. */
  constructor(parts: readonly { part: HeaderPart; bytes: number }[], bareLf: boolean, base: number) {
    this.#parts = parts;
    this.#bareLf = bareLf;
    this.#base = base;
    this.#totalBytes = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** All blocks, as copies, or undefined while bytes are missing. */
  read(input: ByteInput): readonly Section[] | undefined {
    while (this.#gathered.length < this.#totalBytes && input.fill()) {
      const piece = input.take(this.#totalBytes - this.#gathered.length);
      this.#gathered.append(piece, 0, piece.length);
    }
    if (this.#gathered.length < this.#totalBytes) return undefined;
    const all = this.#gathered.take();
    let at = 0;
    return this.#parts.map(({ part, bytes }) => {
      const block = all.subarray(at, at + bytes);
      if (bytes > 0) this.#checkEnd(block, at);
      at += bytes;
      return { part, bytes: block };
    });
  }

  /**
   * A block ends with its only blank line. With an earlier one, the offsets and the bytes would disagree on where the
   * body begins, and some peers believe the one, some the other.
   */
  #checkEnd(block: Buffer, at: number): void {
    if (headerEnd(block, this.#bareLf ? LENIENT_BLANK_LINES : BLANK_LINES) === block.length) return;
    throw new IcapProtocolError('ICAPGW_ICAP_BAD_ENCAPSULATED', {
      offset: this.#base + at,
      detail: 'an offset does not point behind the blank line of a header block',
    });
  }
}

/** Behind the first blank line; 0 where the block begins with one, and infinite where it holds none. */
function headerEnd(block: Buffer, blankLines: readonly Buffer[]): number {
  if (block[0] === LF || (block[0] === CR && block[1] === LF)) return 0;
  let end = Number.POSITIVE_INFINITY;
  for (const blankLine of blankLines) {
    const at = block.indexOf(blankLine);
    if (at !== -1) end = Math.min(end, at + blankLine.length);
  }
  return end;
}
