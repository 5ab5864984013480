import { describe, expect, test } from 'vitest';
import { SourceList } from '../../src/policy/source-list.ts';

const list = (allow: string[], deny: string[] = []): SourceList => SourceList.from({ allow, deny });

test.each([
  { name: 'empty lists admit anyone', allow: [], deny: [], address: '192.0.2.1', admitted: true },
  { name: 'inside an allowed network', allow: ['192.0.2.0/24'], deny: [], address: '192.0.2.255', admitted: true },
  { name: 'outside of it', allow: ['192.0.2.0/24'], deny: [], address: '192.0.3.0', admitted: false },
  { name: 'a bare address is itself only', allow: ['192.0.2.1'], deny: [], address: '192.0.2.2', admitted: false },
  { name: 'deny wins over allow', allow: ['192.0.2.0/24'], deny: ['192.0.2.7'], address: '192.0.2.7', admitted: false },
  { name: 'deny alone admits the others', allow: [], deny: ['192.0.2.7'], address: '192.0.2.8', admitted: true },
  { name: 'IPv6 networks', allow: ['2001:db8::/32'], deny: [], address: '2001:db8:ffff::1', admitted: true },
  { name: 'IPv6 outside', allow: ['2001:db8::/32'], deny: [], address: '2001:db9::1', admitted: false },
  { name: 'a mapped client is IPv4', allow: ['192.0.2.0/24'], deny: [], address: '::ffff:192.0.2.1', admitted: true },
  {
    name: 'a mapped client is denied as IPv4',
    allow: [],
    deny: ['192.0.2.0/24'],
    address: '::ffff:192.0.2.1',
    admitted: false,
  },
  {
    name: 'a mapped client in hexadecimal',
    allow: [],
    deny: ['192.0.2.0/24'],
    address: '::ffff:c000:201',
    admitted: false,
  },
  { name: 'a mapped entry is IPv4', allow: [], deny: ['::ffff:192.0.2.0/120'], address: '192.0.2.1', admitted: false },
  { name: '::/0 is IPv6 only', allow: ['::/0'], deny: [], address: '192.0.2.1', admitted: false },
  { name: '::/0 is not a mapped client', allow: [], deny: ['::/0'], address: '::ffff:192.0.2.1', admitted: true },
  { name: '0.0.0.0/0 is all of IPv4', allow: ['0.0.0.0/0'], deny: [], address: '203.0.113.9', admitted: true },
  { name: '0.0.0.0/0 is not IPv6', allow: ['0.0.0.0/0'], deny: [], address: '2001:db8::1', admitted: false },
  {
    name: 'a zone is not part of the address',
    allow: ['fe80::/10'],
    deny: [],
    address: 'fe80::1%eth0',
    admitted: true,
  },
])('$name', ({ allow, deny, address, admitted }) => {
  expect(list(allow, deny).admits(address)).toBe(admitted);
});

test('a peer on a unix socket has no address and is admitted', () => {
  expect(list(['192.0.2.0/24'], ['0.0.0.0/0', '::/0']).admits(undefined)).toBe(true);
});

describe('what is no network is never taken for one', () => {
  test.each([
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/8/8',
    '10.0.0/8',
    'localhost',
    '2001:db8::/129',
    '10.0.0.0/-1',
    '10.0.0.0/+8',
    '10.0.0.0/0x8',
    '10.0.0.0/8 ',
    '10.0.0.0/8e0',
    '',
  ])('%j', (entry) => {
    expect(() => list([entry])).toThrow();
    expect(() => list([], [entry])).toThrow();
  });
});
