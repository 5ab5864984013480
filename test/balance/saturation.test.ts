import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  hasJustMoved,
  lowered,
  lowerLimit,
  pauseEnd,
  pauseLeftMs,
  raised,
  stampOf,
} from '../../src/balance/saturation.ts';

const NONE = { cap: 0, ceiling: 0 };
/** Some moment of a clock that has gone round any number of times. */
const moment = fc.integer({ min: 0, max: 2 ** 45 });

/** The caps of an undisturbed recovery, one per step. */
function recovery(active: number, limit = 0): number[] {
  let now = lowered(NONE, active);
  const caps = [now.cap];
  while (now.cap !== 0) {
    now = { cap: raised(now, limit), ceiling: now.ceiling };
    caps.push(now.cap);
  }
  return caps;
}

describe('the cap of a saturated member', () => {
  test('is half of what was too much, and at least one connection', () => {
    expect([0, 1, 2, 3, 10].map((active) => lowered(NONE, active).cap)).toEqual([1, 1, 1, 1, 5]);
  });

  test('grows step by step until it is as high as what was too much, and then goes', () => {
    expect(recovery(10)).toEqual([5, 6, 7, 8, 9, 0]);
    expect(recovery(1)).toEqual([1, 0]);
  });

  test('goes when it reaches the configured limit', () => {
    expect(recovery(20, 12)).toEqual([10, 11, 0]);
  });

  test('is back in about half a minute, however large', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), (active) => {
        expect(recovery(active).length).toBeLessThanOrEqual(34);
      }),
      { seed: 11, numRuns: 200 },
    );
  });

  test('sinks further when half was too much too, and still has to grow to the first height', () => {
    const first = lowered(NONE, 10);
    const second = lowered(first, 5);
    expect(second).toEqual({ cap: 2, ceiling: 10 });
    expect(raised({ cap: 4, ceiling: second.ceiling }, 0)).toBe(5);
  });

  test('never rises by a saturation and never falls by an answer', () => {
    const some = fc.record({ cap: fc.integer({ min: 1, max: 1_000 }), ceiling: fc.integer({ min: 1, max: 2_000 }) });
    fc.assert(
      fc.property(some, fc.nat(5_000), (before, active) => {
        const after = lowered(before, active);
        expect(after.cap).toBeGreaterThanOrEqual(1);
        expect(after.cap).toBeLessThanOrEqual(before.cap);
        expect(after.ceiling).toBeGreaterThanOrEqual(before.ceiling);
        const next = raised(before, 0);
        expect(next === 0 || next > before.cap).toBe(true);
      }),
      { seed: 11, numRuns: 300 },
    );
  });
});

describe('the lower limit', () => {
  test.each([
    [0, 0, 0],
    [3, 0, 3],
    [0, 4, 4],
    [3, 4, 3],
    [4, 3, 3],
  ])('of %d and %d is %d', (a, b, lower) => {
    expect(lowerLimit(a, b)).toBe(lower);
  });
});

describe('times in 32 bits', () => {
  test('no time looks like none', () => {
    fc.assert(
      fc.property(moment, (timeMs) => {
        expect(stampOf(timeMs)).not.toBe(0);
        expect(stampOf(timeMs)).toBe(stampOf(timeMs) | 0);
      }),
      { seed: 11, examples: [[0], [2 ** 32], [2 ** 44]] },
    );
  });

  test('a pause lasts what was asked for, at most a minute, whenever it begins', () => {
    fc.assert(
      fc.property(moment, fc.nat(100_000), fc.nat(200_000), (nowMs, pauseMs, laterMs) => {
        const end = pauseEnd(0, nowMs, pauseMs);
        const left = Math.max(0, Math.min(pauseMs, 60_000) - laterMs);
        // The one stamp that means none is given to its neighbour.
        expect(Math.abs(pauseLeftMs(end, nowMs + laterMs) - left)).toBeLessThanOrEqual(1);
      }),
      { seed: 11, examples: [[2 ** 32 - 100, 100, 0]] },
    );
  });

  test('a shorter pause does not cut a longer one short', () => {
    fc.assert(
      fc.property(moment, fc.nat(60_000), fc.nat(60_000), (nowMs, a, b) => {
        const both = pauseEnd(pauseEnd(0, nowMs, a), nowMs, b);
        expect(Math.abs(pauseLeftMs(both, nowMs) - Math.max(a, b))).toBeLessThanOrEqual(1);
      }),
      { seed: 11 },
    );
  });

  test('no pause and one of no length are over', () => {
    expect([pauseLeftMs(0, 500), pauseLeftMs(pauseEnd(0, 500, 0), 500)]).toEqual([0, 0]);
  });

  test('a cap rests for a second, by the clock of any thread, and across the turn of the clock', () => {
    fc.assert(
      fc.property(moment, fc.integer({ min: -5_000, max: 5_000 }), (nowMs, distanceMs) => {
        fc.pre(nowMs + distanceMs >= 0 && (nowMs | 0) !== 0);
        expect(hasJustMoved(stampOf(nowMs), nowMs + distanceMs)).toBe(Math.abs(distanceMs) < 1_000);
      }),
      { seed: 11, examples: [[2 ** 32 - 10, 500]] },
    );
    expect(hasJustMoved(0, 0)).toBe(false);
  });
});
