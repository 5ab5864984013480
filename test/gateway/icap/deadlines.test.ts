import { describe, expect, test } from 'vitest';
import type { TimeoutsConfig } from '../../../src/config/config.ts';
import { Deadlines, type Standing } from '../../../src/gateway/icap/deadlines.ts';

const STARTED_MS = 5_000;
const TIMEOUTS = { totalMs: 1_000, responseMs: 300, bodyIdleMs: 200 } as TimeoutsConfig;
const STILL: Standing = { waitingSinceMs: undefined, isSearching: false, movedBytes: 0 };

/** Looks again and again, as `Standing` says what is seen how long after the begin. */
function look(...looks: readonly (readonly [afterMs: number, seen: Partial<Standing>])[]): readonly unknown[] {
  const deadlines = new Deadlines(TIMEOUTS, STARTED_MS);
  return looks.map(([afterMs, seen]) => deadlines.check(STARTED_MS + afterMs, { ...STILL, ...seen }));
}

describe('a transaction', () => {
  test('has a time in all, whatever moves', () => {
    expect(look([999, { movedBytes: 1 }], [1_000, { movedBytes: 2 }])).toEqual([undefined, 'total']);
    expect(look([1_000, { isSearching: true }])).toEqual(['total']);
  });

  test('whose client sends nothing more reaches its limit', () => {
    expect(look([199, {}], [200, {}])).toEqual([undefined, 'body-idle']);
  });

  test('begins to be idle at the last byte that moved', () => {
    expect(look([150, { movedBytes: 1 }], [349, { movedBytes: 1 }], [350, { movedBytes: 1 }])).toEqual([
      undefined,
      undefined,
      'body-idle',
    ]);
  });

  test('is not idle while a backend is searched for, and is not blamed for it later', () => {
    expect(look([400, { isSearching: true }], [599, {}], [600, {}])).toEqual([undefined, undefined, 'body-idle']);
  });

  test('that waits for an answer is given the time for it from the end of the upload', () => {
    const waiting = { waitingSinceMs: STARTED_MS + 400 };
    expect(look([699, waiting], [700, waiting])).toEqual([undefined, 'response']);
  });
});
