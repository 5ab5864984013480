import { describe, expect, test } from 'vitest';
import { crc32c } from '../../src/net/proxy-protocol/crc32c.ts';
import { serializeProxyV2 } from '../../src/net/proxy-protocol/proxy-v2.ts';
import { feed, IPV4_BLOCK, tlv, type V2Parts, v2 } from '../_util/proxy-bytes.ts';

const parse = (parts: V2Parts) => feed('v2', [v2(parts)])?.header;
const withTlvs = (...tlvs: Buffer[]): Buffer => Buffer.concat([IPV4_BLOCK, ...tlvs]);

/** A header whose CRC32c TLV holds the right sum. */
function checksummed(): Buffer {
  const bytes = v2({ payload: withTlvs(tlv(0x02, 'dlp.example'), tlv(0x03, Buffer.alloc(4))) });
  bytes.writeUInt32BE(crc32c(bytes), bytes.length - 4);
  return bytes;
}

describe('addresses', () => {
  test('IPv4', () => {
    expect(parse({ payload: IPV4_BLOCK })?.endpoints).toEqual({
      source: { address: '192.0.2.1', port: 1000 },
      destination: { address: '198.51.100.2', port: 2000 },
    });
  });

  test('IPv6 in its canonical form', () => {
    const payload = Buffer.from(`20010db8${'00'.repeat(11)}01${'00'.repeat(10)}ffffc0000202${'c351'}${'2c50'}`, 'hex');
    expect(parse({ family: 0x21, payload })?.endpoints).toEqual({
      source: { address: '2001:db8::1', port: 50_001 },
      destination: { address: '::ffff:192.0.2.2', port: 11_344 },
    });
  });

  test.each([
    ['LOCAL', { versionAndCommand: 0x20, family: 0x00 }],
    ['LOCAL with a block that is to be skipped unread', { versionAndCommand: 0x20, payload: Buffer.alloc(3, 0xff) }],
    ['UNSPEC', { family: 0x00, payload: Buffer.alloc(2, 0xff) }],
    ['a unix socket', { family: 0x31, payload: Buffer.alloc(216) }],
    ['datagrams', { family: 0x12, payload: IPV4_BLOCK }],
    ['an unnamed transport', { family: 0x10, payload: IPV4_BLOCK }],
  ])('%s leaves the real peer in place', (_, parts) => {
    expect(parse(parts)).toEqual({ endpoints: undefined, authority: undefined, uniqueId: undefined });
  });

  test.each([
    ['IPv4', 0x11, 11],
    ['IPv6', 0x21, 35],
    ['unix', 0x31, 215],
  ])('a block too short for %s is refused', (_, family, length) => {
    expect(() => parse({ family, payload: Buffer.alloc(length) })).toThrow(
      `: ${length} bytes cannot hold the addresses`,
    );
  });
});

describe('the fixed part', () => {
  test.each([
    ['version 1', { versionAndCommand: 0x11 }, 'says version 1'],
    ['version 3', { versionAndCommand: 0x31 }, 'says version 3'],
    ['an unassigned command', { versionAndCommand: 0x22 }, 'command 2'],
    ['an unassigned family', { family: 0x41 }, 'family 4'],
    ['an unassigned transport', { family: 0x13 }, 'transport 3'],
  ])('%s is refused', (_, parts, text) => {
    expect(() => parse(parts)).toThrow(text);
  });

  test('4096 bytes are taken, 4097 are refused before they arrive', () => {
    const padding = tlv(0x04, Buffer.alloc(4096 - IPV4_BLOCK.length - 3));
    expect(parse({ payload: withTlvs(padding) })?.endpoints).toBeDefined();
    expect(() => parse({ length: 4097 })).toThrow('4097 bytes are announced, at most 4096');
  });
});

describe('TLVs', () => {
  test('authority and unique id are kept, others skipped', () => {
    const payload = withTlvs(
      tlv(0x01, 'h2'),
      tlv(0x02, 'dlp.example'),
      tlv(0x05, 'id-7'),
      tlv(0xe0, ''),
      tlv(0x20, 'x'),
    );
    expect(parse({ payload })).toMatchObject({ authority: 'dlp.example', uniqueId: Buffer.from('id-7') });
  });

  test('an empty one may be the last', () => {
    const payload = withTlvs(tlv(0x05, 'id-7'), tlv(0x04, ''));
    expect(parse({ payload })?.uniqueId).toEqual(Buffer.from('id-7'));
  });

  test('a unix socket may carry them too', () => {
    expect(parse({ family: 0x31, payload: Buffer.concat([Buffer.alloc(216), tlv(0x05, 'id')]) })).toMatchObject({
      endpoints: undefined,
      uniqueId: Buffer.from('id'),
    });
  });

  test.each([
    ['a value that runs past the header', Buffer.from([0x02, 0x00, 0x02, 0x61]), 'longer than the header'],
    ['a cut length', Buffer.from([0x02, 0x00]), 'cut off'],
    ['a long authority', tlv(0x02, 'a'.repeat(256)), 'at most 255'],
    ['a long unique id', tlv(0x05, 'a'.repeat(129)), 'at most 128'],
    ['a checksum of 3 bytes', tlv(0x03, 'abc'), '4 bytes, not 3'],
  ])('%s is refused', (_, bytes, text) => {
    expect(() => parse({ payload: withTlvs(bytes) })).toThrow(text);
  });

  test('255 bytes of authority and 128 of unique id are taken', () => {
    const payload = withTlvs(tlv(0x02, 'a'.repeat(255)), tlv(0x05, 'a'.repeat(128)));
    expect(parse({ payload })).toMatchObject({ authority: 'a'.repeat(255), uniqueId: Buffer.alloc(128, 'a') });
  });

  test('a right checksum is taken and a single flipped bit is not', () => {
    expect(feed('v2', [checksummed()])?.header.authority).toBe('dlp.example');
    const damaged = checksummed();
    damaged.writeUInt8(damaged.readUInt8(20) ^ 1, 20);
    expect(() => feed('v2', [damaged])).toThrow('CRC32c does not fit');
  });

  test('the checksum is the Castagnoli one', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });
});

describe('writing', () => {
  const endpoints = (source: string, destination: string) => ({
    source: { address: source, port: 1000 },
    destination: { address: destination, port: 2000 },
  });

  test('IPv4, byte by byte', () => {
    expect(serializeProxyV2(endpoints('192.0.2.1', '198.51.100.2'))).toEqual(v2({ payload: IPV4_BLOCK }));
    expect(serializeProxyV2(endpoints('::ffff:192.0.2.1', '::ffff:198.51.100.2'))).toEqual(v2({ payload: IPV4_BLOCK }));
  });

  test.each([
    ['2001:db8::1', '::'],
    ['::1', '2001:db8:1:2:3:4:5:6'],
    ['1:0:0:2::3', 'fe80::1'],
    ['::1.2.3.4', '64:ff9b::102:304'],
  ])('%s to %s is read back', (source, destination) => {
    const expected = endpoints(source, destination);
    expect(feed('v2', [serializeProxyV2(expected)])?.header.endpoints).toEqual(expected);
  });

  test('mixed families and unix sockets become UNSPEC without addresses', () => {
    const unspec = v2({ family: 0x00 });
    expect(serializeProxyV2(undefined)).toEqual(unspec);
    expect(serializeProxyV2(endpoints('192.0.2.1', '2001:db8::1'))).toEqual(unspec);
  });
});
