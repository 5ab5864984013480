import { describe, expect, test } from 'vitest';
import { ProxyHeaderParser } from '../../src/net/proxy-protocol/proxy-header-parser.ts';
import { everyChunking } from '../_util/every-chunking.ts';
import { feed, IPV4_BLOCK, SIGNATURE, v2 } from '../_util/proxy-bytes.ts';

const HELLO = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x0d, 0x0a, 0x50]);
const refused = (version: 'v1' | 'v2', bytes: Buffer | string): unknown => {
  try {
    return feed(version, [Buffer.from(bytes)]);
  } catch (error) {
    return error;
  }
};

describe('any chunking', () => {
  test.each([
    { version: 'v1', bytes: Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.2 1000 2000\r\n') },
    { version: 'v2', bytes: v2({ payload: IPV4_BLOCK }) },
  ] as const)('$version gives the same header and the same rest', ({ version, bytes }) => {
    const endpoints = {
      source: { address: '192.0.2.1', port: 1000 },
      destination: { address: '198.51.100.2', port: 2000 },
    };
    for (const chunks of everyChunking(Buffer.concat([bytes, HELLO]))) {
      expect(feed(version, chunks)).toEqual({
        header: { endpoints, authority: undefined, uniqueId: undefined },
        rest: HELLO,
      });
    }
  });

  test.each([
    { version: 'v1', bytes: Buffer.from('PROXY UNKNOWN\r\n') },
    { version: 'v2', bytes: v2({ payload: IPV4_BLOCK }) },
  ] as const)('$version may be followed by more than the longest header has', ({ version, bytes }) => {
    const rest = Buffer.alloc(8192, 'x');
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const chunks = [bytes.subarray(0, cut), Buffer.concat([bytes.subarray(cut), rest])];
      expect(feed(version, chunks)?.rest.equals(rest)).toBe(true);
    }
  });

  test('the rest is a view on the chunk it came in, not a copy', () => {
    const chunk = Buffer.concat([v2({ payload: IPV4_BLOCK }), HELLO]);
    const result = new ProxyHeaderParser({ version: 'v2', peer: 'p' }).push(chunk);
    expect(result?.rest.buffer).toBe(chunk.buffer);
    expect(result?.rest).toEqual(chunk.subarray(-HELLO.length));
  });

  test('an empty rest is empty, not undefined', () => {
    expect(feed('v1', [Buffer.from('PROXY UNKNOWN\r\n')])?.rest).toHaveLength(0);
  });

  test('every proper prefix of a header only asks for more', () => {
    for (const [version, bytes] of [
      ['v1', Buffer.from('PROXY TCP6 ::1 ::1 1 2\r\n')],
      ['v2', v2({ payload: IPV4_BLOCK })],
    ] as const) {
      for (let end = 0; end < bytes.length; end += 1) expect(feed(version, [bytes.subarray(0, end)])).toBeUndefined();
    }
  });
});

describe('the configured version is exact', () => {
  test('v1 says that the peer sends v2', () => {
    expect(refused('v1', v2({ payload: IPV4_BLOCK }))).toMatchObject({
      code: 'ICAPGW_PROXY_HEADER',
      peer: '203.0.113.9:50000',
      message: expect.stringContaining('accepts PROXY protocol v1 and the peer sends v2'),
    });
  });

  test('v1 says so however the bytes are cut', () => {
    for (const chunks of everyChunking(v2({ payload: IPV4_BLOCK }))) {
      expect(() => feed('v1', chunks)).toThrow('accepts PROXY protocol v1 and the peer sends v2');
    }
  });

  test('the other version is named as soon as its opening is whole, and not before', () => {
    expect(() => feed('v1', [SIGNATURE])).toThrow('the peer sends v2');
    expect(() => feed('v2', [Buffer.from('PROXY ')])).toThrow('the peer sends v1');
    expect(feed('v1', [SIGNATURE.subarray(0, -1)])).toBeUndefined();
    expect(feed('v2', [Buffer.from('PROXY')])).toBeUndefined();
  });

  test('v2 says that the peer sends v1, however the bytes are cut', () => {
    for (const chunks of everyChunking(Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n'))) {
      expect(() => feed('v2', chunks)).toThrow('accepts PROXY protocol v2 and the peer sends v1');
    }
  });

  test.each(['v1', 'v2'] as const)('%s recognises a peer that starts TLS without a header', (version) => {
    expect(refused(version, HELLO)).toMatchObject({
      code: 'ICAPGW_PROXY_HEADER',
      message: expect.stringContaining('starts with TLS, without a header'),
    });
  });

  test.each(['v1', 'v2'] as const)('%s shows the first bytes of anything else', (version) => {
    expect(refused(version, 'GET / HTTP/1.1\r\n\r\n')).toMatchObject({
      message: expect.stringContaining('474554202f20485454502f31'),
    });
  });

  test('a byte that fits neither version is refused at once', () => {
    expect(() => feed('v1', [Buffer.from('PROXX')])).toThrow();
    expect(() => feed('v2', [SIGNATURE.subarray(0, 11), Buffer.from([0x0b])])).toThrow();
  });
});
