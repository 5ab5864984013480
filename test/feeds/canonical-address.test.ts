import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalAddress } from '../../src/feeds/canonical-address.ts';

describe('an address has one spelling', () => {
  test.each([
    ['198.51.100.0', '198.51.100.0'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::ffff:198.51.100.7', '198.51.100.7'],
    ['::FFFF:C633:6407', '198.51.100.7'],
    ['0:0:0:0:0:ffff:198.51.100.7', '198.51.100.7'],
    ['::ffff:0.0.0.1', '0.0.0.1'],
    ['::1.2.3.4', '::102:304'],
  ])('%s is %s', (text, address) => {
    expect(canonicalAddress(text)).toBe(address);
  });
});

test.each([
  '',
  ' 198.51.100.1',
  '198.51.100.1 ',
  '198.51.100.1\n',
  '198.51.100.0/24',
  '198.51.100.01',
  '0198.51.100.1',
  '198.51.100',
  '198.51.100.256',
  '3325256704',
  '0xc6336400',
  '198.51.100.1:80',
  'fe80::1%eth0',
  '2001:db8::/32',
  '[2001:db8::1]',
  '2001:db8::1::',
  ':::',
  '1:2:3:4:5:6:7:8:9',
  '::ffff:198.51.100.07',
  'example.com',
  '１９８.51.100.1',
  '198.51.100.1\0',
])('%j is no address', (text) => {
  expect(canonicalAddress(text)).toBeUndefined();
});

test('every address that the runtime takes has a spelling that is its own, and is still an address', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const address = canonicalAddress(text);
      expect(address === undefined || isIPv4(address) || isIPv6(address)).toBe(true);
      if (address !== undefined) expect(canonicalAddress(address)).toBe(address);
      else expect(text).toMatch(/^0\d|\.0\d/);
    }),
  );
});

test('however an IPv6 address is written, its spelling is the same', () => {
  const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(groups, fc.boolean(), (numbers, isUpper) => {
      const long = numbers.map((number) => number.toString(16).padStart(4, '0')).join(':');
      const short = numbers.map((number) => number.toString(16)).join(':');
      expect(canonicalAddress(isUpper ? long.toUpperCase() : long)).toBe(canonicalAddress(short));
    }),
  );
});

test('no text makes it throw', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void canonicalAddress(text)));
});
