import { describe, expect, test } from 'vitest';
import { AdvertisedLimits } from '../../src/health/advertised-limits.ts';

function setUp() {
  const limits = new Map<number, number>();
  return { limits, advertised: new AdvertisedLimits((slot, limit) => limits.set(slot, limit)) };
}

const MEMBER = { slot: 3, key: 'dlp 10.0.0.5:1344', maxConnections: 0 };

describe('an advertised limit', () => {
  test.each([
    { says: 100, limit: 99 },
    { says: 2, limit: 1 },
    { says: 1, limit: 1 },
    { says: 0, limit: 0 },
    { says: undefined, limit: 0 },
    { says: 999_999_999_999_999, limit: 2 ** 31 - 2 },
  ])('of $says leaves $limit, one being kept for health checks', ({ says, limit }) => {
    const { limits, advertised } = setUp();
    advertised.record(MEMBER, '/scan', says);
    expect(limits.get(3)).toBe(limit);
  });

  test('is the smallest of all paths, as they stand now', () => {
    const { limits, advertised } = setUp();
    advertised.record(MEMBER, '/a', 50);
    advertised.record(MEMBER, '/b', 20);
    expect(limits.get(3)).toBe(19);
    advertised.record(MEMBER, '/b', undefined);
    expect(limits.get(3)).toBe(49);
  });

  test('does not outlive the member that said it', () => {
    const { limits, advertised } = setUp();
    advertised.record(MEMBER, '/a', 5);
    advertised.record({ ...MEMBER, key: 'dlp 10.0.0.6:1344' }, '/b', 50);
    expect(limits.get(3)).toBe(49);
  });

  test('means nothing where the configuration sets one', () => {
    const { limits, advertised } = setUp();
    advertised.record({ ...MEMBER, maxConnections: 10 }, '/scan', 5);
    expect(limits.size).toBe(0);
  });
});
