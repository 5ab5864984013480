import { describe, expect, test } from 'vitest';
import { Guard } from '../../src/feeds/guard.ts';

function guard(options: { blockable?: string[]; allow?: string[]; own?: string[] } = {}): Guard {
  const { blockable = [], allow = [], own = [] } = options;
  return new Guard({ blockable, allow, own: () => new Set(own) });
}

test.each([
  ['0.1.2.3', 'reserved'],
  ['127.0.0.1', 'reserved'],
  ['127.255.255.255', 'reserved'],
  ['169.254.169.254', 'reserved'],
  ['224.0.0.1', 'reserved'],
  ['255.255.255.255', 'reserved'],
  ['::', 'reserved'],
  ['::1', 'reserved'],
  ['fe80::1', 'reserved'],
  ['febf::1', 'reserved'],
  ['ff02::1', 'reserved'],
  ['10.255.0.1', 'private'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['192.168.1.1', 'private'],
  ['100.64.0.1', 'private'],
  ['100.127.255.255', 'private'],
  ['fc00::1', 'private'],
  ['fdff::1', 'private'],
  ['198.51.100.0', undefined],
  ['192.0.2.1', undefined],
  ['203.0.113.9', undefined],
  ['2001:db8::1', undefined],
  ['172.32.0.1', undefined],
  ['100.128.0.1', undefined],
  ['::2', 'reserved'],
  ['64:ff9b::a00:1', 'private'],
  ['64:ff9b::a9fe:a9fe', 'reserved'],
  ['64:ff9b::c633:6407', undefined],
  ['64:ff9b:1::c633:6407', 'private'],
  ['2002:c0a8:101::1', 'private'],
  ['2002:7f00:1::', 'reserved'],
  ['2002:c633:6407::1', undefined],
  ['2001:0:4136:e378:8000:63bf:f5ff:fffe', 'private'],
  ['2001:0:4136:e378:8000:63bf:80ff:fffe', 'reserved'],
  ['2001:0:4136:e378:8000:63bf:39cc:9bf8', undefined],
  ['::a00:1', 'private'],
  ['::c633:6407', undefined],
  ['::ffff:0:7f00:1', 'reserved'],
  ['2001:db8::5efe:a00:1', undefined],
  ['fec0::1', undefined],
  ['1.1.1.1', undefined],
])('%s is %s', (address, reason) => {
  expect(guard().reasonAgainst(address)).toBe(reason);
});

describe('what is lifted', () => {
  const lifted = guard({
    blockable: ['127.0.0.0/8', '10.0.0.0/8', 'fd00::/8'],
    allow: ['10.9.0.0/16'],
    own: ['10.1.1.1'],
  });

  test.each([
    ['127.0.0.1', undefined],
    ['10.2.3.4', undefined],
    ['fd00::1', undefined],
    ['192.168.0.1', 'private'],
    ['10.1.1.1', 'own'],
    ['10.9.1.1', 'allowed'],
  ])('%s is %s', (address, reason) => {
    expect(lifted.reasonAgainst(address)).toBe(reason);
  });
});

test('what is allowed may be any network', () => {
  expect(guard({ allow: ['198.51.100.0/24'] }).reasonAgainst('198.51.100.7')).toBe('allowed');
  expect(guard({ allow: ['2001:DB8::/32'] }).reasonAgainst('2001:db8::7')).toBe('allowed');
});

describe('an IPv6 address that leads to an IPv4 one', () => {
  test("is as much the owner's, or allowed, as that", () => {
    const strict = guard({ allow: ['203.0.113.0/24'], own: ['198.51.100.7'], blockable: ['::/0', '0.0.0.0/0'] });
    for (const address of ['64:ff9b::c633:6407', '64:ff9b:1:5::c633:6407', '2002:c633:6407::1', '::c633:6407']) {
      expect(strict.reasonAgainst(address), address).toBe('own');
    }
    expect(strict.reasonAgainst('2001:0:4136:e378:8000:63bf:39cc:9bf8')).toBe('own');
    expect(strict.reasonAgainst('64:ff9b::cb00:7109')).toBe('allowed');
  });

  test('is lifted by either of them', () => {
    expect(guard({ blockable: ['10.0.0.0/8'] }).reasonAgainst('64:ff9b::a00:1')).toBeUndefined();
    expect(guard({ blockable: ['64:ff9b::/96'] }).reasonAgainst('64:ff9b::a00:1')).toBeUndefined();
    expect(guard({ blockable: ['64:ff9b:1::/48'] }).reasonAgainst('64:ff9b:1::a00:1')).toBeUndefined();
  });
});

test('own addresses are asked for each time', () => {
  const own = new Set<string>();
  const changing = new Guard({ blockable: [], allow: [], own: () => own });
  expect(changing.reasonAgainst('203.0.113.5')).toBeUndefined();
  own.add('203.0.113.5');
  expect(changing.reasonAgainst('203.0.113.5')).toBe('own');
});
