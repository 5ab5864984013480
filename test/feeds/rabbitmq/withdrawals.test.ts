import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Withdrawals } from '../../../src/feeds/rabbitmq/withdrawals.ts';
import { type ConfigFolder, createConfigFolder } from '../../_util/config-folder.ts';

let folder: ConfigFolder;
beforeEach(() => {
  folder = createConfigFolder({});
});
afterEach(() => folder[Symbol.dispose]());

const ADDRESS = '198.51.100.0';

test('what was found until then is withdrawn, also after a restart, and what is found later is not', () => {
  {
    using withdrawals = Withdrawals.open(folder.path, 0);
    withdrawals.add({ address: ADDRESS, sentMs: 10, untilMs: 100 });
    expect([9, 10, 11].map((sentMs) => withdrawals.covers(ADDRESS, sentMs))).toEqual([true, true, false]);
  }
  using again = Withdrawals.open(folder.path, 50);
  expect([9, 10, 11].map((sentMs) => again.covers(ADDRESS, sentMs))).toEqual([true, true, false]);
  expect(again.covers('198.51.100.1', 10)).toBe(false);
});

test('one that is found again is withdrawn no more', () => {
  using withdrawals = Withdrawals.open(folder.path, 0);
  withdrawals.add({ address: ADDRESS, sentMs: 10, untilMs: 100 });
  expect([withdrawals.drop(ADDRESS), withdrawals.drop(ADDRESS)]).toEqual([true, false]);
  expect(withdrawals.covers(ADDRESS, 10)).toBe(false);
});

test('what is over is forgotten, here and in the file', () => {
  {
    using withdrawals = Withdrawals.open(folder.path, 0);
    withdrawals.add({ address: ADDRESS, sentMs: 10, untilMs: 100 });
    withdrawals.add({ address: '2001:db8::1', sentMs: 10, untilMs: 200 });
    withdrawals.expire(100);
    expect(withdrawals.covers(ADDRESS, 10)).toBe(false);
    expect(withdrawals.covers('2001:db8::1', 10)).toBe(true);
  }
  using _ = Withdrawals.open(folder.path, 100);
  expect(readFileSync(join(folder.path, 'feeds.withdrawn'), 'utf8')).toBe('2001:db8::1 10 200\n');
});

test('a line that was cut off, or is none, is left out', () => {
  appendFileSync(join(folder.path, 'feeds.withdrawn'), `what\n\n${ADDRESS} 10 200\n198.51.100.1 10 2`);
  using withdrawals = Withdrawals.open(folder.path, 0);
  expect([ADDRESS, '198.51.100.1'].map((address) => withdrawals.covers(address, 10))).toEqual([true, false]);
});

test('whoever closes them twice, or has one more, does no harm', () => {
  const withdrawals = Withdrawals.open(folder.path, 0);
  withdrawals[Symbol.dispose]();
  withdrawals[Symbol.dispose]();
  withdrawals.add({ address: ADDRESS, sentMs: 10, untilMs: 100 });
  expect(withdrawals.covers(ADDRESS, 10)).toBe(true);
  expect(readFileSync(join(folder.path, 'feeds.withdrawn'), 'utf8')).toBe('');
});

test('a folder in which they cannot be kept is said so', () => {
  expect(() => Withdrawals.open(join(folder.path, 'nowhere'), 0)).toThrow(/feeds\.withdrawn: ENOENT/);
});
