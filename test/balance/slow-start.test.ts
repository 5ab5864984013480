import { expect, test } from 'vitest';
import { effectiveWeight, slowStartPart } from '../../src/balance/slow-start.ts';

test.each([
  { elapsedMs: 0, part: 0.1 },
  { elapsedMs: 5_000, part: 0.55 },
  { elapsedMs: 9_999, part: 0.99991 },
  { elapsedMs: 10_000, part: 1 },
  { elapsedMs: 60_000, part: 1 },
])('after $elapsedMs ms of 10 s a member gets $part of its weight', ({ elapsedMs, part }) => {
  expect(slowStartPart(elapsedMs, 10_000)).toBeCloseTo(part, 9);
});

test('without a window a member has all of its weight at once', () => {
  expect(slowStartPart(0, 0)).toBe(1);
});

test.each([
  { weight: 0, part: 0.1, effective: 0 },
  { weight: 1, part: 0.1, effective: 26 },
  { weight: 1, part: 0.0001, effective: 1 },
  { weight: 256, part: 1, effective: 65_536 },
])('weight $weight at $part is $effective 256ths', ({ weight, part, effective }) => {
  expect(effectiveWeight(weight, part)).toBe(effective);
});
