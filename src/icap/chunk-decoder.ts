import { type ErrorCode, IcapProtocolError } from '../errors.ts';
import { BlockReader } from './block-reader.ts';
import type { ByteInput } from './byte-input.ts';
import { type LastChunk, PLAIN_LAST_CHUNK, parseChunkExtensions } from './chunk-extension.ts';
import { GatherBuffer } from './gather-buffer.ts';
import type { IcapLimits } from './limits.ts';
import type { ParserProfile } from './profile.ts';

const CR = 0x0d;
const LF = 0x0a;
/** 16 digits and blanks around them, before any extension. */
const SIZE_BYTES = 32;
const SIZE = /^[ \t]*([0-9A-Fa-f]{1,16})[ \t]*$/;

/** How much body may come, and what to say when it is more. */
export interface BodyBudget {
  readonly maxBytes: number;
  readonly code: ErrorCode;
}

/** Undoes the chunking of one body. Data comes out as views of what was pushed. */
export class ChunkDecoder {
  readonly #input: ByteInput;
  readonly #profile: ParserProfile;
  readonly #limits: IcapLimits;
  readonly #budget: BodyBudget;
  readonly #line: GatherBuffer = new GatherBuffer();
  #state: 'size' | 'data' | 'data-end' | 'trailer' | 'done' = 'size';
  #lineOffset = 0;
  #sawCr = false;
  #chunkBytes = 0;
  #bodyBytes = 0;
  #last: LastChunk = PLAIN_LAST_CHUNK;
  #trailer: BlockReader | undefined;

  constructor(input: ByteInput, profile: ParserProfile, limits: IcapLimits, budget: BodyBudget) {
    this.#input = input;
    this.#profile = profile;
    this.#limits = limits;
    this.#budget = budget;
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Body bytes announced so far: exact once the decoder is done. */
  get bodyBytes(): number {
    return this.#bodyBytes;
  }

  /** Meaningful once the decoder is done. */
  get lastChunk(): LastChunk {
    return this.#last;
  }

  /** Where the line of the last chunk begins in the message. */
  get lastChunkOffset(): number {
    return this.#lineOffset;
  }

  /** The next piece of the body; undefined when more input is needed or the decoder is done. */
  read(): Buffer | undefined {
    while (this.#state !== 'done' && this.#input.fill()) {
      switch (this.#state) {
        case 'size':
          this.#readSize();
          break;
        case 'data':
          return this.#readData();
        case 'data-end':
          this.#readDataEnd();
          break;
        case 'trailer':
          this.#readTrailer();
          break;
      }
    }
    return undefined;
  }

  #readSize(): void {
    const input = this.#input;
    const { chunk, at } = input;
    if (this.#line.length === 0) this.#lineOffset = input.offset;
    const lf = chunk.indexOf(LF, at);
    const end = lf === -1 ? chunk.length : lf;
    if (this.#line.length + end - at > SIZE_BYTES + this.#limits.chunkExtensionBytes + 1) {
      this.#fail('a chunk-size line that is too long');
    }
    if (lf === -1) {
      this.#line.append(chunk, at, end);
      input.moveTo(end);
      return;
    }
    input.moveTo(lf + 1);
    if (this.#line.length === 0) {
      this.#beginChunk(chunk.toString('latin1', at, lf));
    } else {
      this.#line.append(chunk, at, lf);
      this.#beginChunk(this.#line.take().toString('latin1'));
    }
  }

  #beginChunk(raw: string): void {
    const hasCr = raw.charCodeAt(raw.length - 1) === CR;
    if (!hasCr && !this.#profile.bareLf) this.#fail('a line feed without a carriage return');
    const line = hasCr ? raw.slice(0, -1) : raw;
    const semicolon = line.indexOf(';');
    const sizeText = semicolon === -1 ? line : line.slice(0, semicolon);
    if (line.length - sizeText.length > this.#limits.chunkExtensionBytes) this.#fail('extensions that are too long');
    const digits = SIZE.exec(sizeText)?.[1];
    const size = digits === undefined ? Number.NaN : Number.parseInt(digits, 16);
    if (!Number.isSafeInteger(size)) this.#fail('not a chunk size');
    if (semicolon !== -1) this.#last = parseChunkExtensions(line.slice(semicolon), this.#lineOffset);
    if (size === 0) {
      this.#state = 'trailer';
      this.#trailer = new BlockReader(this.#limits.trailerBytes, this.#profile.bareLf, this.#input.offset);
      return;
    }
    if (this.#last.ieof) this.#fail('ieof on a chunk that is not the last');
    this.#last = PLAIN_LAST_CHUNK;
    if (size > this.#budget.maxBytes - this.#bodyBytes) {
      throw new IcapProtocolError(this.#budget.code, { offset: this.#lineOffset });
    }
    this.#bodyBytes += size;
    this.#chunkBytes = size;
    this.#state = 'data';
  }

  #readData(): Buffer {
    const data = this.#input.take(this.#chunkBytes);
    this.#chunkBytes -= data.length;
    if (this.#chunkBytes === 0) this.#state = 'data-end';
    return data;
  }

  #readDataEnd(): void {
    const byte = this.#input.chunk[this.#input.at];
    const isEnd = byte === LF && (this.#sawCr || this.#profile.bareLf);
    if (!isEnd && (byte !== CR || this.#sawCr)) {
      const { offset } = this.#input;
      throw new IcapProtocolError('ICAPGW_ICAP_BAD_CHUNK', { offset, detail: 'no line end after the data' });
    }
    this.#sawCr = !isEnd;
    this.#input.moveTo(this.#input.at + 1);
    if (isEnd) this.#state = 'size';
  }

  /** Chunk trailers are read and dropped: nothing in ICAP uses them, and c-icap closes the connection on one. */
  #readTrailer(): void {
    if (this.#trailer?.read(this.#input) !== undefined) this.#state = 'done';
  }

  #fail(detail: string): never {
    throw new IcapProtocolError('ICAPGW_ICAP_BAD_CHUNK', { offset: this.#lineOffset, detail });
  }
}
