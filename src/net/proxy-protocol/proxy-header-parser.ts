import { malformedHeader, type ProxyHeader } from './proxy-header.ts';
import { parseProxyV1, V1_MAX_BYTES, V1_PREFIX } from './proxy-v1.ts';
import { parseProxyV2, parseV2Length, V2_FIXED_BYTES, V2_MAX_PAYLOAD_BYTES, V2_SIGNATURE } from './proxy-v2.ts';

export interface ProxyHeaderParserOptions {
  /** Exactly this version is taken: the specification warns against guessing it from what a peer sends. */
  readonly version: 'v1' | 'v2';
  /** For the error: the address the bytes come from. */
  readonly peer: string;
}

const CR = 0x0d;
const LF = 0x0a;
const TLS_HANDSHAKE = 0x16;
const MAX_BYTES = { v1: V1_MAX_BYTES, v2: V2_FIXED_BYTES + V2_MAX_PAYLOAD_BYTES } as const;
const OPENINGS = { v1: V1_PREFIX, v2: V2_SIGNATURE } as const;

/**
 * Cuts one PROXY header off the start of a byte stream split anywhere. One parser, one header; the caller keeps the
 * deadline, and says what a connection means that ends before its header does.
 */
export class ProxyHeaderParser {
  readonly #version: 'v1' | 'v2';
  readonly #peer: string;
  readonly #kept: Buffer;
  #length = 0;

  constructor(options: ProxyHeaderParserOptions) {
    this.#version = options.version;
    this.#peer = options.peer;
    this.#kept = Buffer.allocUnsafe(MAX_BYTES[options.version]);
  }

  /** The header and what follows it, untouched; undefined while bytes are missing. Throws DownstreamError. */
  push(chunk: Uint8Array): { header: ProxyHeader; rest: Uint8Array } | undefined {
    const before = this.#length;
    const taken = chunk.subarray(0, this.#kept.length - before);
    this.#kept.set(taken, before);
    this.#length += taken.length;
    const bytes = this.#kept.subarray(0, this.#length);
    if (!this.#hasOpening(bytes)) return undefined;
    const end = this.#version === 'v1' ? this.#endOfLine(bytes, before) : this.#endOfBlock(bytes);
    if (end === undefined) return undefined;
    return { header: this.#parse(bytes.subarray(0, end)), rest: chunk.subarray(end - before) };
  }

  #parse(bytes: Buffer): ProxyHeader {
    if (this.#version === 'v2') return parseProxyV2(bytes, this.#peer);
    return parseProxyV1(bytes.toString('latin1', 0, bytes.length - 2), this.#peer);
  }

  /** Whether the opening of the configured version is complete; a byte that cannot belong to it ends the matter. */
  #hasOpening(bytes: Buffer): boolean {
    const { v1, v2 } = OPENINGS;
    const [own, other] = this.#version === 'v1' ? [v1, v2] : [v2, v1];
    if (startsAlike(bytes, own)) return bytes.length >= own.length;
    // Both versions are told apart by their first byte: waiting for the rest of the other one is bounded by its length.
    if (startsAlike(bytes, other) && bytes.length < other.length) return false;
    throw malformedHeader(this.#peer, this.#refusal(bytes, startsAlike(bytes, other)));
  }

  #refusal(bytes: Buffer, isOtherVersion: boolean): string {
    const accepted = `this service accepts PROXY protocol ${this.#version}`;
    if (isOtherVersion) {
      const other = this.#version === 'v1' ? 'v2' : 'v1';
      return `${accepted} and the peer sends ${other}; set one of the two sides to the other's version`;
    }
    if (bytes[0] === TLS_HANDSHAKE) {
      return `${accepted} and the peer starts with TLS, without a header; make it send one, or set accept: off`;
    }
    return `${accepted} and the first bytes are none (${bytes.toString('hex', 0, V2_SIGNATURE.length)})`;
  }

  #endOfLine(bytes: Buffer, from: number): number | undefined {
    for (let i = Math.max(from, V1_PREFIX.length); i < bytes.length; i += 1) {
      const isLineFeed = bytes[i] === LF;
      if ((bytes[i - 1] === CR) !== isLineFeed) {
        throw malformedHeader(this.#peer, 'a CR or LF stands alone; the line ends with CRLF');
      }
      if (isLineFeed) return i + 1;
    }
    if (bytes.length < V1_MAX_BYTES) return undefined;
    throw malformedHeader(this.#peer, `no CRLF within the ${V1_MAX_BYTES} bytes a line of version 1 may have`);
  }

  #endOfBlock(bytes: Buffer): number | undefined {
    if (bytes.length < V2_FIXED_BYTES) return undefined;
    const end = V2_FIXED_BYTES + parseV2Length(bytes, this.#peer);
    return bytes.length < end ? undefined : end;
  }
}

function startsAlike(bytes: Buffer, opening: Buffer): boolean {
  const length = Math.min(bytes.length, opening.length);
  return bytes.compare(opening, 0, length, 0, length) === 0;
}
