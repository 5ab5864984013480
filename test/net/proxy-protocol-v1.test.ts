import { describe, expect, test } from 'vitest';
import { serializeProxyV1 } from '../../src/net/proxy-protocol/proxy-v1.ts';
import { feed } from '../_util/proxy-bytes.ts';

const parse = (line: string) => feed('v1', [Buffer.from(line, 'latin1')])?.header;

describe('reading', () => {
  test.each([
    ['PROXY TCP4 0.0.0.0 255.255.255.255 0 65535', '0.0.0.0', 0, '255.255.255.255', 65_535],
    ['PROXY TCP6 2001:DB8::1 ::1 1 2', '2001:db8::1', 1, '::1', 2],
    ['PROXY TCP6 2001:0db8:0:0:0:0:0:1 ::ffff:192.0.2.1 1 2', '2001:db8::1', 1, '::ffff:192.0.2.1', 2],
  ])('%s', (line, source, sourcePort, destination, destinationPort) => {
    expect(parse(`${line}\r\n`)?.endpoints).toEqual({
      source: { address: source, port: sourcePort },
      destination: { address: destination, port: destinationPort },
    });
  });

  test.each(['PROXY UNKNOWN', 'PROXY UNKNOWN ffff::1 ffff::2 65535 65535', 'PROXY UNKNOWN \xff\0 anything'])(
    '%j leaves the real peer in place',
    (line) => {
      expect(parse(`${line}\r\n`)).toEqual({ endpoints: undefined, authority: undefined, uniqueId: undefined });
    },
  );

  test.each([
    ['an unassigned family', 'PROXY TCP5 192.0.2.1 192.0.2.2 1 2'],
    ['an unassigned family with addresses of a known one', 'PROXY TCP5 2001:db8::1 ::1 1 2'],
    ['datagrams', 'PROXY UDP4 192.0.2.1 192.0.2.2 1 2'],
    ['a family in small letters', 'PROXY tcp4 192.0.2.1 192.0.2.2 1 2'],
    ['a glued word', 'PROXY UNKNOWNX'],
    ['no family', 'PROXY '],
    ['two spaces', 'PROXY TCP4  192.0.2.1 192.0.2.2 1 2'],
    ['a tab', 'PROXY TCP4\t192.0.2.1 192.0.2.2 1 2'],
    ['a space at the end', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 '],
    ['a missing port', 'PROXY TCP4 192.0.2.1 192.0.2.2 1'],
    ['a word too many', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3'],
    ['a leading zero in an address', 'PROXY TCP4 192.0.2.01 192.0.2.2 1 2'],
    ['a number above 255', 'PROXY TCP4 192.0.2.256 192.0.2.2 1 2'],
    ['three numbers', 'PROXY TCP4 192.0.2 192.0.2.2 1 2'],
    ['IPv6 in TCP4', 'PROXY TCP4 ::1 ::1 1 2'],
    ['IPv4 in TCP6', 'PROXY TCP6 192.0.2.1 192.0.2.2 1 2'],
    ['a zone', 'PROXY TCP6 fe80::1%eth0 ::1 1 2'],
    ['two double colons', 'PROXY TCP6 1::2::3 ::1 1 2'],
    ['a name', 'PROXY TCP4 localhost 192.0.2.2 1 2'],
    ['a port above 65535', 'PROXY TCP4 192.0.2.1 192.0.2.2 65536 2'],
    ['a leading zero in a port', 'PROXY TCP4 192.0.2.1 192.0.2.2 01 2'],
    ['a signed port', 'PROXY TCP4 192.0.2.1 192.0.2.2 +1 2'],
    ['a negative port', 'PROXY TCP4 192.0.2.1 192.0.2.2 -1 2'],
    ['a hexadecimal port', 'PROXY TCP4 192.0.2.1 192.0.2.2 0x1 2'],
  ])('%s is refused', (_, line) => {
    expect(() => parse(`${line}\r\n`)).toThrow(expect.objectContaining({ code: 'ICAPGW_PROXY_HEADER' }));
  });

  test.each(['PROXY UNKNOWN\n', 'PROXY UNKNOWN\rX', 'PROXY UNKNOWN\r\r\n', 'PROXY \n', 'PROXY UNKNOWN a\nb\r\n'])(
    'a CR or LF alone does not end a line: %j',
    (line) => {
      expect(() => parse(line)).toThrow('stands alone');
    },
  );

  test('107 bytes with their CRLF are a line, 108 are not', () => {
    const longest = `PROXY UNKNOWN ${'f'.repeat(91)}\r\n`;
    expect(longest).toHaveLength(107);
    expect(parse(longest)).toBeDefined();
    expect(() => parse(`PROXY UNKNOWN ${'f'.repeat(92)}\r\n`)).toThrow('no CRLF within the 107 bytes');
  });
});

describe('writing', () => {
  const endpoints = (source: string, destination: string) => ({
    source: { address: source, port: 50_001 },
    destination: { address: destination, port: 11_344 },
  });

  test.each([
    ['192.0.2.1', '192.0.2.2', 'PROXY TCP4 192.0.2.1 192.0.2.2 50001 11344\r\n'],
    ['2001:db8::1', '::1', 'PROXY TCP6 2001:db8::1 ::1 50001 11344\r\n'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.2', 'PROXY TCP4 192.0.2.1 192.0.2.2 50001 11344\r\n'],
    ['::ffff:192.0.2.10', '::ffff:192.0.2.254', 'PROXY TCP4 192.0.2.10 192.0.2.254 50001 11344\r\n'],
    ['1::ffff:192.0.2.1', '::1', 'PROXY TCP6 1::ffff:192.0.2.1 ::1 50001 11344\r\n'],
    ['fe80::1%eth0', 'fe80::2%eth0', 'PROXY TCP6 fe80::1 fe80::2 50001 11344\r\n'],
    ['192.0.2.1', '2001:db8::1', 'PROXY UNKNOWN\r\n'],
  ])('%s to %s', (source, destination, line) => {
    expect(serializeProxyV1(endpoints(source, destination)).toString()).toBe(line);
  });

  test('a unix socket has no addresses to tell', () => {
    expect(serializeProxyV1(undefined).toString()).toBe('PROXY UNKNOWN\r\n');
  });

  test('what is written is read back', () => {
    expect(feed('v1', [serializeProxyV1(endpoints('2001:db8::1', '2001:db8::2'))])?.header.endpoints).toEqual(
      endpoints('2001:db8::1', '2001:db8::2'),
    );
  });
});
