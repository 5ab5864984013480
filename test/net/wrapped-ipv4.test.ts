import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalAddress } from '../../src/feeds/canonical-address.ts';
import { wrappedIpv4 } from '../../src/net/wrapped-ipv4.ts';

describe('an IPv6 address leads to an IPv4 one', () => {
  test.each([
    ['NAT64, the example of RFC 6052 2.4', '64:ff9b::192.0.2.33', '192.0.2.33'],
    ['6to4', '2002:c000:204::1', '192.0.2.4'],
    ['Teredo, the example of RFC 4380 4', '2001:0:4136:e378:8000:63bf:3fff:fdd2', '192.0.2.45'],
    ['Teredo with a server of zeros', '2001::80ff:fefe', '127.0.1.1'],
    ['IPv4-compatible', '::10.0.0.1', '10.0.0.1'],
    ['IPv4-translated', '::ffff:0:10.0.0.1', '10.0.0.1'],
    ['IPv4-compatible, of nobody', '::2', '0.0.0.2'],
  ])('%s: %s', (_, text, ipv4) => {
    expect(wrappedIpv4(canonicalAddress(text) ?? '')).toEqual([ipv4]);
  });

  // RFC 6052 2.4, with a prefix of RFC 8215.
  test.each([
    ['/48', '64:ff9b:1:c000:2:2100::'],
    ['/56', '64:ff9b:1:1c0:0:221::'],
    ['/64', '64:ff9b:1:122:c0:2:2100::'],
    ['/96', '64:ff9b:1:122::192.0.2.33'],
  ])('NAT64 within a site, by a prefix of %s', (_, text) => {
    expect(wrappedIpv4(canonicalAddress(text) ?? '')).toContain('192.0.2.33');
  });
});

test.each([
  '192.0.2.1',
  '::',
  '::1',
  '2001:db8::1',
  '2001:1::7f00:1',
  '2003:7f00:1::',
  '64:ff9b:2::7f00:1',
  '64:ff9c::7f00:1',
  '64:ff9b:0:1::7f00:1',
  '::1:0:7f00:1',
  // ISATAP.
  '2001:db8::5efe:10.0.0.1',
  '2001:db8::200:5efe:10.0.0.1',
])('%s leads to none', (text) => {
  expect(wrappedIpv4(canonicalAddress(text) ?? '')).toEqual([]);
});

test('whatever the address, what it leads to are IPv4 addresses', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const address = canonicalAddress(text);
      for (const ipv4 of address === undefined ? [] : wrappedIpv4(address))
        expect(ipv4).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    }),
    { seed: 7, numRuns: 2000 },
  );
});
