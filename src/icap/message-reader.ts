import { IcapProtocolError } from '../errors.ts';
import { BlockReader } from './block-reader.ts';
import { ByteInput } from './byte-input.ts';
import { type BodyBudget, ChunkDecoder } from './chunk-decoder.ts';
import type { Section } from './encapsulated.ts';
import { type ParsedField, parseFields } from './field.ts';
import type { MessageHead } from './head.ts';
import type { IcapLimits } from './limits.ts';
import type { ParserProfile } from './profile.ts';
import { SectionReader } from './section-reader.ts';

/** How a body ended. `preview`: there is more, which the client sends once it is told to continue. */
export type BodyEnding = 'complete' | 'ieof' | 'preview';

/** One message is `head`, then `sections` if it has any, then any number of `data`, then `end`. */
export type MessageEvent<Head extends MessageHead> =
  | { readonly type: 'head'; readonly head: Head }
  | { readonly type: 'sections'; readonly sections: readonly Section[] }
  | { readonly type: 'data' /** A view of what was pushed. */; readonly data: Buffer }
  | {
      readonly type: 'end';
      readonly ending: BodyEnding;
      readonly bodyBytes: number;
      /** Only in a response: from which byte on the original body goes on. */
      readonly useOriginalBody: number | undefined;
      readonly trailers: readonly ParsedField[];
    };

/** What differs between reading requests and reading responses. */
export interface MessageKind<Head extends MessageHead> {
  readonly profile: ParserProfile;
  readonly limits: IcapLimits;
  /** Blank lines tolerated before a message. */
  readonly strayLineEnds: number;
  parseHead(block: Buffer, base: number): Head;
  /** How much of the body comes before the sender waits for a word; undefined: all of it. */
  previewBytes(head: Head): number | undefined;
  /** Whether `ieof` has its meaning here; if not it is skipped as any unknown extension. */
  readonly knowsIeof: boolean;
}

const CR = 0x0d;
const LF = 0x0a;
/** The bytes of a token, which is what every ICAP message begins with; a TLS handshake for one does not. */
const FIRST_BYTE = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/;

/**
 * Turns the bytes of one direction of a connection into events, one message at a time: after `end` it stands still until
 * `next` or `continueBody`, and keeps what arrived meanwhile. Any split of the bytes gives the same events, apart from
 * where `data` is cut. Bytes that are not ICAP throw one `IcapProtocolError`; after that there is nothing more to read.
 */
export class MessageReader<Head extends MessageHead> {
  readonly #kind: MessageKind<Head>;
  readonly #input: ByteInput = new ByteInput();
  #state: 'start' | 'head' | 'sections' | 'body' | 'trailers' | 'stopped' = 'start';
  #strayLineEnds = 0;
  #sawCr = false;
  #block: BlockReader | undefined;
  #head: Head | undefined;
  #sections: SectionReader | undefined;
  #decoder: ChunkDecoder | undefined;
  #inPreview = false;
  #ending: BodyEnding = 'complete';
  #previewedBytes = 0;

  constructor(kind: MessageKind<Head>) {
    this.#kind = kind;
  }

  /** Adds received bytes. The reader keeps them until they were read, so the buffer must not be reused before. */
  push(bytes: Buffer): void {
    this.#input.push(bytes);
  }

  /** Received bytes not read yet: with a stopped reader the beginning of what comes next. */
  get unreadBytes(): number {
    return this.#input.unreadBytes;
  }

  /** Copies what was not read yet, so that the buffers it came in may be used again. */
  keepUnread(): void {
    this.#input.keep();
  }

  /** Whether no byte of the next message has been read. */
  get isBetweenMessages(): boolean {
    return this.#state === 'start' && this.#strayLineEnds === 0 && !this.#sawCr;
  }

  /** Begins the next message. Only after `end`. */
  next(): void {
    this.#input.startMessage();
    this.#state = 'start';
    this.#strayLineEnds = 0;
    this.#previewedBytes = 0;
  }

  /** Reads on in the same body, because the sender was told to continue. Only after an `end` with `preview`. */
  continueBody(): void {
    this.#inPreview = false;
    this.#previewedBytes = this.#decoder?.bodyBytes ?? 0;
    this.#beginBody();
  }

  /** The next event, or undefined when more bytes are needed or the message has ended. */
  read(): MessageEvent<Head> | undefined {
    try {
      return this.#read();
    } catch (error) {
      this.#state = 'stopped';
      throw error;
    }
  }

  #read(): MessageEvent<Head> | undefined {
    switch (this.#state) {
      case 'start':
        return this.#skipStrayLineEnds() ? this.#readHead() : undefined;
      case 'head':
        return this.#readHead();
      case 'sections':
        return this.#readSections();
      case 'body':
        return this.#readBody();
      case 'trailers':
        return this.#readTrailers();
      case 'stopped':
        return undefined;
    }
  }

  /** True once the first byte of a message is there. */
  #skipStrayLineEnds(): boolean {
    const input = this.#input;
    while (input.fill()) {
      const byte = input.chunk[input.at] ?? 0;
      if (this.#sawCr ? byte === LF : byte === CR) {
        this.#strayLineEnds += Number(this.#sawCr);
        this.#sawCr = !this.#sawCr;
        if (this.#strayLineEnds > this.#kind.strayLineEnds) break;
        input.moveTo(input.at + 1);
      } else if (!this.#sawCr && FIRST_BYTE.test(String.fromCharCode(byte))) {
        this.#block = this.#createBlockReader(this.#kind.limits.headBytes);
        this.#state = 'head';
        return true;
      } else {
        break;
      }
    }
    if (input.fill()) throw new IcapProtocolError('ICAPGW_ICAP_BAD_START_LINE', { offset: input.offset });
    return false;
  }

  #readHead(): MessageEvent<Head> | undefined {
    const { profile } = this.#kind;
    const block = this.#block?.read(this.#input);
    if (block === undefined) return undefined;
    const head = this.#kind.parseHead(block, this.#input.offset - block.length);
    this.#head = head;
    this.#inPreview = this.#kind.previewBytes(head) !== undefined;
    if (head.encapsulated.headers.length === 0) {
      this.#beginBody();
    } else {
      this.#sections = new SectionReader(head.encapsulated.headers, profile.bareLf, this.#input.offset);
      this.#state = 'sections';
    }
    return { type: 'head', head };
  }

  #readSections(): MessageEvent<Head> | undefined {
    const sections = this.#sections?.read(this.#input);
    if (sections === undefined) return undefined;
    this.#beginBody();
    return { type: 'sections', sections };
  }

  #beginBody(): void {
    const { profile, limits } = this.#kind;
    this.#ending = 'complete';
    if (this.#head?.encapsulated.body === 'null-body') {
      this.#decoder = undefined;
      this.#finishBody();
      return;
    }
    this.#decoder = new ChunkDecoder(this.#input, profile, limits, this.#budget());
    this.#state = 'body';
  }

  #budget(): BodyBudget {
    const maxBytes = this.#kind.limits.bodyBytes - this.#previewedBytes;
    const preview = this.#inPreview && this.#head !== undefined ? this.#kind.previewBytes(this.#head) : undefined;
    return preview === undefined || preview > maxBytes
      ? { maxBytes, code: 'ICAPGW_ICAP_BODY_TOO_LARGE' }
      : { maxBytes: preview, code: 'ICAPGW_ICAP_BAD_PREVIEW' };
  }

  #readBody(): MessageEvent<Head> | undefined {
    const decoder = this.#decoder;
    const data = decoder?.read();
    if (data !== undefined) return { type: 'data', data };
    if (decoder?.isDone !== true) return undefined;
    const ieof = decoder.lastChunk.ieof && this.#kind.knowsIeof;
    if (ieof && !this.#inPreview) {
      const offset = decoder.lastChunkOffset;
      throw new IcapProtocolError('ICAPGW_ICAP_BAD_CHUNK', { offset, detail: 'ieof outside a preview' });
    }
    this.#ending = ieof ? 'ieof' : this.#inPreview ? 'preview' : 'complete';
    this.#finishBody();
    return this.#read();
  }

  /** A trailer follows the whole body, so not its preview. */
  #finishBody(): void {
    this.#state = 'trailers';
    const follows = this.#head?.trailer === true && this.#ending !== 'preview';
    this.#block = follows ? this.#createBlockReader(this.#kind.limits.trailerBytes) : undefined;
  }

  #readTrailers(): MessageEvent<Head> | undefined {
    let trailers: readonly ParsedField[] = [];
    if (this.#block !== undefined) {
      const block = this.#block.read(this.#input);
      if (block === undefined) return undefined;
      const { profile, limits } = this.#kind;
      trailers = parseFields(block.toString('latin1'), 0, this.#input.offset - block.length, profile, limits);
    }
    this.#state = 'stopped';
    return {
      type: 'end',
      ending: this.#ending,
      bodyBytes: this.#previewedBytes + (this.#decoder?.bodyBytes ?? 0),
      useOriginalBody: this.#kind.knowsIeof ? undefined : this.#decoder?.lastChunk.useOriginalBody,
      trailers,
    };
  }

  #createBlockReader(maxBytes: number): BlockReader {
    return new BlockReader(maxBytes, this.#kind.profile.bareLf, this.#input.offset);
  }
}
