import { GatherBuffer } from '../icap/gather-buffer.ts';

/** A name in a TLS connection's first message, as the client wrote it; undefined where it named nobody. */
export interface NamedServer {
  readonly serverName: string | undefined;
}

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;

const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
/** RFC 8446 5.1: a record in clear. */
const MAX_RECORD_BYTES = 2 ** 14;
/** Key shares of today's post-quantum groups take 2 KiB; a hello with a ticket and certificate lists stays below 8. */
const MAX_HELLO_BYTES = 32 * 1024;

/** As OpenSSL has it, which refuses longer ones: nor are they to fill a log. */
const MAX_NAME_BYTES = 255;

const NOBODY: NamedServer = { serverName: undefined };

/**
 * Finds the server name in a ClientHello that comes in any pieces. What it cannot make sense of names nobody: OpenSSL
 * reads the same bytes after it and has the last word. It keeps no hello of more than 32 KiB, and copies each byte once.
 */
export class ClientHelloReader {
  readonly #header: Buffer = Buffer.alloc(RECORD_HEADER_BYTES);
  #headerBytes = 0;
  /** Of the record that is being read. */
  #recordBytes = 0;
  readonly #message: GatherBuffer = new GatherBuffer();

  /** Takes what came next. Undefined: the hello is not whole yet. After an answer it is not to be called again. */
  push(chunk: Buffer): NamedServer | undefined {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#recordBytes === 0) {
        rest = this.#takeHeader(rest);
        if (this.#headerBytes < RECORD_HEADER_BYTES) return undefined;
        this.#recordBytes = this.#readHeader();
        if (this.#recordBytes === 0) return NOBODY;
      }
      const part = rest.subarray(0, this.#recordBytes);
      rest = rest.subarray(part.length);
      this.#recordBytes -= part.length;
      this.#message.append(part, 0, part.length);
      const message = this.#message.view();
      if (message.length < MESSAGE_HEADER_BYTES) continue;
      const bodyBytes = message.readUIntBE(1, 3);
      if (message[0] !== CLIENT_HELLO || bodyBytes > MAX_HELLO_BYTES) return NOBODY;
      const wholeBytes = MESSAGE_HEADER_BYTES + bodyBytes;
      if (message.length >= wholeBytes) return readHello(message.subarray(MESSAGE_HEADER_BYTES, wholeBytes));
    }
    return undefined;
  }

  #takeHeader(bytes: Buffer): Buffer {
    const part = bytes.subarray(0, RECORD_HEADER_BYTES - this.#headerBytes);
    this.#header.set(part, this.#headerBytes);
    this.#headerBytes += part.length;
    return bytes.subarray(part.length);
  }

  /** How many bytes of a handshake follow; 0 where this is no such record. */
  #readHeader(): number {
    this.#headerBytes = 0;
    const bytes = this.#header.readUInt16BE(3);
    const isHandshake = this.#header[0] === HANDSHAKE && this.#header[1] === 3;
    return isHandshake && bytes <= MAX_RECORD_BYTES ? bytes : 0;
  }
}

/** The body of a ClientHello, RFC 8446 4.1.2. */
function readHello(body: Buffer): NamedServer {
  const fields = new FieldReader(body);
  fields.skip(2 + 32);
  fields.block(1);
  fields.block(2);
  fields.block(1);
  const extensions = new FieldReader(fields.block(2));
  while (extensions.hasMore) {
    const type = extensions.number(2);
    const value = extensions.block(2);
    if (type === SERVER_NAME) return readServerName(new FieldReader(value));
  }
  return NOBODY;
}

/** RFC 6066 3: a list of names, of which there has only ever been one. */
function readServerName(extension: FieldReader): NamedServer {
  const list = new FieldReader(extension.block(2));
  const type = list.number(1);
  const name = list.block(2);
  const isName = type === HOST_NAME && name.length > 0 && name.length <= MAX_NAME_BYTES && !name.includes(0);
  return isName ? { serverName: name.toString('latin1') } : NOBODY;
}

/** Reads fields one after the other; beyond the end everything is empty, and nothing more is there. */
class FieldReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  skip(count: number): void {
    this.#at += count;
  }

  number(size: 1 | 2): number {
    const at = this.#at;
    this.#at += size;
    return this.#at <= this.#bytes.length ? this.#bytes.readUIntBE(at, size) : 0;
  }

  /** Bytes with their count before them. */
  block(size: 1 | 2): Buffer {
    const count = this.number(size);
    const block = this.#bytes.subarray(this.#at, this.#at + count);
    this.#at += count;
    return block;
  }
}
