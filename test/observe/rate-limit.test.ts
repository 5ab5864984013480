import { describe, expect, test } from 'vitest';
import { RateLimit } from '../../src/observe/rate-limit.ts';

describe('a rate limit', () => {
  test('lets so many through in a second and tells how many it held back', () => {
    const limit = new RateLimit(2);
    expect([0, 1, 2, 3].map((ms) => limit.allow('a', ms))).toEqual([true, true, false, false]);
    expect(limit.expired(999)).toEqual([]);
    expect(limit.expired(1000)).toEqual([{ key: 'a', count: 2 }]);
    expect(limit.expired(5000)).toEqual([]);
    expect(limit.allow('a', 5000)).toBe(true);
  });

  test('keeps keys apart', () => {
    const limit = new RateLimit(1);
    limit.allow('a', 0);
    expect(limit.allow('a', 0)).toBe(false);
    expect(limit.allow('b', 0)).toBe(true);
  });

  test('says nothing of a window in which nothing was held back', () => {
    const limit = new RateLimit(2);
    limit.allow('a', 0);
    expect(limit.expired(Number.POSITIVE_INFINITY)).toEqual([]);
  });

  test('is not stuck when the clock is set back', () => {
    const limit = new RateLimit(1);
    limit.allow('a', 10_000);
    limit.allow('a', 10_000);
    expect(limit.expired(1000)).toEqual([{ key: 'a', count: 1 }]);
  });
});
