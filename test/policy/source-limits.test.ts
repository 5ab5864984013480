import { describe, expect, test } from 'vitest';
import { releaseWorkerSources, SourceLimits } from '../../src/policy/source-limits.ts';
import { createSourceTable, type SourceTableMemory } from '../../src/policy/source-table.ts';

const memoryOf = (entryCount = 1024): SourceTableMemory => createSourceTable({ workerCount: 2, entryCount });
const limitsOf = (memory: SourceTableMemory, workerIndex = 0, scope = 'mcas'): SourceLimits =>
  new SourceLimits({ memory, workerIndex, scope });

describe('connections', () => {
  test('a source gets its limit and not one more, until one is given back', () => {
    const limits = limitsOf(memoryOf());
    expect([1, 2, 3].map(() => limits.acquire('192.0.2.1', 2))).toEqual([true, true, false]);
    limits.release('192.0.2.1');
    expect([1, 2].map(() => limits.acquire('192.0.2.1', 2))).toEqual([true, false]);
  });

  test('sources do not share a count', () => {
    const limits = limitsOf(memoryOf());
    expect(limits.acquire('192.0.2.1', 1)).toBe(true);
    expect(limits.acquire('192.0.2.2', 1)).toBe(true);
  });

  test.each([
    ['IPv4 as a dual-stack socket reports it', '192.0.2.1', '::ffff:192.0.2.1', true],
    ['the same with longer numbers', '192.100.200.254', '::ffff:192.100.200.254', true],
    ['addresses of one IPv6 /64', '2001:db8:1:2::1', '2001:db8:1:2:ffff::9', true],
    ['neighbouring IPv6 /64', '2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['spellings of one network', '2001:db8::1', '2001:0db8:0:0::2', true],
    ['the first and the last network of a short one', '2001::1', '2001:0:0:1::1', false],
    ['short networks that differ behind the zeros', '2001::1:2:3:4:5', '2001::2:2:3:4:5', false],
    ['a short address and a long one of its network', '2001::1:2:3:4:5', '2001:0:0:1::9', true],
    ['IPv4 at the end', '64:ff9b::192.0.2.1', '64:ff9b::1', true],
    ['a link-local client on two interfaces', 'fe80::1%eth0', 'fe80::1%eth1', true],
  ])('%s: %s and %s are one source: %s', (_, first, second, same) => {
    const limits = limitsOf(memoryOf());
    limits.acquire(first, 1);
    expect(limits.acquire(second, 1)).toBe(!same);
  });

  test('workers share a count, services do not', () => {
    const memory = memoryOf();
    expect(limitsOf(memory, 0).acquire('192.0.2.1', 1)).toBe(true);
    expect(limitsOf(memory, 1).acquire('192.0.2.1', 1)).toBe(false);
    expect(limitsOf(memory, 1, 'other').acquire('192.0.2.1', 1)).toBe(true);
  });

  test('a release of what this worker does not hold changes nothing', () => {
    const memory = memoryOf();
    limitsOf(memory, 0).acquire('192.0.2.1', 1);
    limitsOf(memory, 1).release('192.0.2.1');
    limitsOf(memory, 1).release('192.0.2.9');
    expect(limitsOf(memory, 1).acquire('192.0.2.1', 1)).toBe(false);
  });

  test('what a dead worker held is given back, what others hold stays', () => {
    const memory = memoryOf();
    limitsOf(memory, 0).acquire('192.0.2.1', 2);
    limitsOf(memory, 1).acquire('192.0.2.1', 2);
    releaseWorkerSources(memory, 0);
    expect([1, 2].map(() => limitsOf(memory, 0).acquire('192.0.2.1', 2))).toEqual([true, false]);
  });
});

describe('handshakes', () => {
  test('a second allows its number at once, then one each time its share is over', () => {
    const limits = limitsOf(memoryOf());
    const burst = Array.from({ length: 5 }, () => limits.takeHandshake('192.0.2.1', 4, 10_000));
    expect(burst).toEqual([true, true, true, true, false]);
    expect(limits.takeHandshake('192.0.2.1', 4, 10_249)).toBe(false);
    expect(limits.takeHandshake('192.0.2.1', 4, 10_250)).toBe(true);
    expect(limits.takeHandshake('192.0.2.1', 4, 10_250)).toBe(false);
  });

  test.each([1, 3, 7, 30, 999])('%d per second is exactly that many at once, whatever the clock shows', (rate) => {
    const limits = limitsOf(memoryOf());
    const nowMs = 7_654_321_987.654_321;
    const taken = Array.from({ length: rate + 1 }, () => limits.takeHandshake('192.0.2.1', rate, nowMs));
    expect(taken.filter(Boolean)).toHaveLength(rate);
  });

  test('silence does not save up more than a second', () => {
    const limits = limitsOf(memoryOf());
    limits.takeHandshake('192.0.2.1', 2, 1_000);
    const later = [1, 2, 3].map(() => limits.takeHandshake('192.0.2.1', 2, 60_000));
    expect(later).toEqual([true, true, false]);
  });

  test('workers share the schedule', () => {
    const memory = memoryOf();
    expect(limitsOf(memory, 0).takeHandshake('192.0.2.1', 1, 5_000)).toBe(true);
    expect(limitsOf(memory, 1).takeHandshake('192.0.2.1', 1, 5_000)).toBe(false);
  });
});

describe('a full table', () => {
  const addresses = Array.from({ length: 200 }, (_, i) => `192.0.2.${i}`);

  test('sources without connections make room for others', () => {
    const limits = limitsOf(memoryOf(8));
    for (const address of addresses) {
      expect(limits.acquire(address, 1)).toBe(true);
      expect(limits.acquire(address, 1)).toBe(false);
      limits.release(address);
    }
  });

  test('the oldest schedule is forgotten first', () => {
    const limits = limitsOf(memoryOf(8));
    for (const [i, address] of addresses.slice(0, 9).entries()) limits.takeHandshake(address, 1, 1_000 + i);
    expect(limits.takeHandshake('192.0.2.8', 1, 1_010)).toBe(false);
    expect(limits.takeHandshake('192.0.2.1', 1, 1_010)).toBe(false);
    expect(limits.takeHandshake('192.0.2.0', 1, 1_010)).toBe(true);
  });

  test('the limits per source give way where every place holds connections, and come back', () => {
    const limits = limitsOf(memoryOf(8));
    for (const address of addresses.slice(0, 8)) limits.acquire(address, 1);
    expect([1, 2].map(() => limits.acquire('192.0.2.100', 1))).toEqual([true, true]);
    expect([1, 2].map(() => limits.takeHandshake('192.0.2.100', 1, 1_000))).toEqual([true, true]);
    limits.release('192.0.2.100');
    limits.release('192.0.2.0');
    expect([1, 2].map(() => limits.acquire('192.0.2.100', 1))).toEqual([true, false]);
    expect(limits.acquire('192.0.2.1', 1)).toBe(false);
  });
});
