import { expect, test } from 'vitest';
import { parseBackendAddress } from '../../src/config/address.ts';
import type { BackendAddress } from '../../src/config/config.ts';
import { isSamePlace } from '../../src/config/same-place.ts';

function addressOf(text: string): BackendAddress {
  const address = parseBackendAddress(text);
  if (typeof address === 'string') throw new TypeError(address);
  return address;
}

test.each([
  ['10.0.0.5:1344', '10.0.0.5:1344'],
  ['dlp.example:1344', 'DLP.Example.:1344'],
  ['localhost:1344', '127.0.0.1:1344'],
  ['[::1]:1344', 'LOCALHOST:1344'],
  ['[2001:db8::5]:1344', '[2001:DB8:0:0:0:0:0:5]:1344'],
  ['[::ffff:10.0.0.5]:1344', '10.0.0.5:1344'],
  ['[::ffff:a00:5]:1344', '10.0.0.5:1344'],
  ['unix:/run/dlp.sock', 'unix:/run//./x/../dlp.sock'],
  ['unix:/run/a b%.sock', 'unix:/run/./a b%.sock'],
  ['srv:_icap._tcp.dlp.example', 'srv:_icap._tcp.DLP.example.'],
])('%s and %s are the same place', (a, b) => {
  expect([isSamePlace(addressOf(a), addressOf(b)), isSamePlace(addressOf(b), addressOf(a))]).toEqual([true, true]);
});

test.each([
  ['10.0.0.5:1344', '10.0.0.5:1345'],
  ['10.0.0.5:1344', '10.0.0.50:1344'],
  ['dlp.example:1344', 'dlp2.example:1344'],
  ['127.0.0.2:1344', 'localhost:1344'],
  ['[fe80::1%eth0]:1344', '[fe80::1%eth1]:1344'],
  ['unix:/run/dlp.sock', 'unix:/run/DLP.sock'],
  ['unix:/run/a?b', 'unix:/run/a?c'],
  ['unix:/run/a#b', 'unix:/run/a'],
])('%s and %s are not', (a, b) => {
  expect(isSamePlace(addressOf(a), addressOf(b))).toBe(false);
});
