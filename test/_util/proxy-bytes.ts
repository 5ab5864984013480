import type { ProxyHeader } from '../../src/net/proxy-protocol/proxy-header.ts';
import { ProxyHeaderParser } from '../../src/net/proxy-protocol/proxy-header-parser.ts';

export const SIGNATURE: Buffer = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

export interface V2Parts {
  readonly versionAndCommand?: number;
  readonly family?: number;
  readonly payload?: Buffer;
  /** Announced length; the real one by default. */
  readonly length?: number;
}

/** A version 2 header from its parts, right or wrong. */
export function v2(parts: V2Parts = {}): Buffer {
  const payload = parts.payload ?? Buffer.alloc(0);
  const fixed = Buffer.from([parts.versionAndCommand ?? 0x21, parts.family ?? 0x11, 0, 0]);
  fixed.writeUInt16BE(parts.length ?? payload.length, 2);
  return Buffer.concat([SIGNATURE, fixed, payload]);
}

export function tlv(type: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** 192.0.2.1:1000 to 198.51.100.2:2000. */
export const IPV4_BLOCK: Buffer = Buffer.from([192, 0, 2, 1, 198, 51, 100, 2, 0x03, 0xe8, 0x07, 0xd0]);

/** Feeds chunks until a header comes out; undefined where the bytes end first. */
export function feed(
  version: 'v1' | 'v2',
  chunks: readonly Uint8Array[],
): { header: ProxyHeader; rest: Buffer } | undefined {
  const parser = new ProxyHeaderParser({ version, peer: '203.0.113.9:50000' });
  for (const [i, chunk] of chunks.entries()) {
    const result = parser.push(chunk);
    if (result !== undefined) {
      return { header: result.header, rest: Buffer.concat([result.rest, ...chunks.slice(i + 1)]) };
    }
  }
  return undefined;
}
