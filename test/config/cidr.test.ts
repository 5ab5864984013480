import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isCidr, isIpv4, isIpv6 } from '../../src/config/cidr.ts';
import { problemsOf, serviceOf } from '../_util/config-text.ts';

test.each(['10.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '192.0.2.1/32', '::/0', '2001:db8::/32', '::ffff:10.0.0.1/128'])(
  '%s is a network',
  (text) => {
    expect(isCidr(text)).toBe(true);
  },
);

test.each([
  '',
  '10.0.0',
  '10.0.0.256',
  '010.0.0.1',
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '::/129',
  ':::/8',
  'x/8',
])('%j is not a network', (text) => {
  expect(isCidr(text)).toBe(false);
});

test('agrees with the runtime about what an address is', () => {
  const group = fc.oneof(fc.constant(''), fc.stringMatching(/^[0-9a-f]{1,5}$/), fc.constant('10.0.0.1'));
  const anything = fc.oneof(
    fc.array(group, { maxLength: 9 }).map((groups) => groups.join(':')),
    fc.ipV4(),
    fc.ipV6(),
  );
  fc.assert(
    fc.property(anything, (text) => {
      expect([isIpv4(text), isIpv6(text)]).toEqual([isIP(text) === 4, isIP(text) === 6]);
    }),
    { seed: 1, numRuns: 2_000 },
  );
});

test('what is accepted can be used by the runtime', () => {
  const list = new BlockList();
  expect(() => list.addSubnet('10.0.0.5', 8, 'ipv4')).not.toThrow();
  expect(serviceOf({ extra: 'allow-from: [10.0.0.5/8, 2001:db8::/32]' }).allowFrom).toEqual([
    '10.0.0.5/8',
    '2001:db8::/32',
  ]);
});

test('one network needs no list', () => {
  expect(serviceOf({ extra: 'deny-from: 10.0.0.0/8' }).denyFrom).toEqual(['10.0.0.0/8']);
});

test('a refused network is named with its place, and the others are still checked', () => {
  expect(problemsOf({ extra: 'allow-from:\n  - 10.0.0.0/33\n  - ::1\n  - dlp.example' })).toEqual([
    '9 error: services[0].allow-from[0]: must be an address or a network such as 10.0.0.0/8 or 2001:db8::/32, not "10.0.0.0/33"',
    '11 error: services[0].allow-from[2]: must be an address or a network such as 10.0.0.0/8 or 2001:db8::/32, not "dlp.example"',
  ]);
});
