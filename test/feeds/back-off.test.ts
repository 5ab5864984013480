import { expect, test } from 'vitest';
import { BackOff } from '../../src/feeds/back-off.ts';

function pauses(random: number, asked: readonly (number | undefined)[]): number[] {
  const backOff = new BackOff({ firstMs: 1000, mostMs: 60_000, random: () => random });
  return asked.map((askedMs) => backOff.failed(5_000_000, askedMs) - 5_000_000);
}

const NEVER = Array.from({ length: 9 }, () => undefined);

test('pauses double up to the longest', () => {
  expect(pauses(0.5, NEVER)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test('they are spread by a fifth either way', () => {
  expect(pauses(0, NEVER.slice(0, 2))).toEqual([800, 1600]);
  expect(pauses(1, NEVER.slice(0, 2))).toEqual([1200, 2400]);
});

test('what was asked for is never undercut', () => {
  expect(pauses(0, [7000, 90_000])).toEqual([7000, 90_000]);
  expect(pauses(1, [7000])).toEqual([8400]);
});

test('a success begins anew', () => {
  const backOff = new BackOff({ firstMs: 1000, mostMs: 60_000, random: () => 0.5 });
  backOff.failed(0, undefined);
  backOff.failed(0, undefined);
  backOff.succeeded();
  expect(backOff.readyMs).toBe(0);
  expect(backOff.failed(0, undefined)).toBe(1000);
});

test('a pause that is forgotten does not forget the failures', () => {
  const backOff = new BackOff({ firstMs: 1000, mostMs: 60_000, random: () => 0.5 });
  backOff.failed(0, undefined);
  backOff.forget();
  expect(backOff.readyMs).toBe(0);
  expect(backOff.failed(0, undefined)).toBe(2000);
});
