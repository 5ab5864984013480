import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, formatSize } from '../../src/config/quantity.ts';
import { problemsOf, serviceOf } from '../_util/config-text.ts';

describe('durations', () => {
  test.each([
    ['500ms', 500],
    ['5s', 5_000],
    ['10m', 600_000],
    ['12h', 43_200_000],
    ['1d', 86_400_000],
    ['0s', 0],
    ['never', Number.POSITIVE_INFINITY],
    ['25d', Number.POSITIVE_INFINITY],
  ])('%s is read', (text, milliseconds) => {
    expect(serviceOf({ extra: `timeouts: { close: ${text} }` }).timeouts.closeMs).toBe(milliseconds);
  });

  test.each(['5 s', '5S', '1.5s', '-1s', 's', '5sec', '1h30m', '""', 'true', '[5s]', '{}', '1e3s'])(
    '%s is refused with an example',
    (text) => {
      expect(problemsOf({ extra: `timeouts: { close: ${text} }` })).toEqual([
        expect.stringMatching(
          /^8 error: services\[0\]\.timeouts\.close: must be a duration such as 500ms, 5s, 10m or 12h/,
        ),
      ]);
    },
  );

  test('a number without a unit is answered with what to write', () => {
    expect(problemsOf({ extra: 'timeouts: { idle: 5 }' })).toEqual([
      expect.stringContaining('not 5; the unit is missing: write 5s if seconds are meant'),
    ]);
  });

  test('a limit of the range is taken and one beyond it is not', () => {
    expect(serviceOf({ extra: 'health: { interval: 1d }' }).health.intervalMs).toBe(86_400_000);
    expect(serviceOf({ extra: 'health: { interval: 10ms }' }).health.intervalMs).toBe(10);
    expect(problemsOf({ extra: 'health: { interval: 9ms }' })).toEqual([expect.stringContaining('from 10ms to 1d')]);
    expect(problemsOf({ extra: 'health: { interval: 25h }' })).toEqual([expect.stringContaining('from 10ms to 1d')]);
    expect(problemsOf({ extra: 'health: { interval: never }' })).toHaveLength(1);
  });

  test('are written in the largest unit that says them exactly, and read back', () => {
    expect([0, 1, 1_500, 60_000, 90_000, 43_200_000].map(formatDuration)).toEqual([
      '0s',
      '1ms',
      '1500ms',
      '1m',
      '90s',
      '12h',
    ]);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2_000_000_000 }), (milliseconds) => {
        const text = formatDuration(milliseconds);
        expect(serviceOf({ extra: `timeouts: { close: ${text} }` }).timeouts.closeMs).toBe(milliseconds);
      }),
      { seed: 1, numRuns: 50 },
    );
  });
});

describe('sizes', () => {
  test.each([
    ['64KiB', 65_536],
    ['8MiB', 8_388_608],
    ['1GiB', 1_073_741_824],
    ['100B', 100],
    ['4096', 4096],
    ['0', 0],
  ])('%s is read', (text, bytes) => {
    expect(serviceOf({ extra: `limits: { body: ${text} }` }).limits.bodyBytes).toBe(bytes);
  });

  test.each([
    ['64KB', 'write 64KiB'],
    ['8m', 'write 8MiB'],
    ['2 gib', 'write 2GiB'],
  ])('%s is answered with what to write', (text, advice) => {
    expect(problemsOf({ extra: `limits: { body: ${text} }` })).toContainEqual(expect.stringContaining(advice));
  });

  test('below and above the range are refused', () => {
    expect(problemsOf({ extra: 'limits: { header: 1023B }' })).toContainEqual(
      expect.stringContaining('must be a size such as 64KiB or 8MiB, from 1KiB to 1MiB, not "1023B"'),
    );
    expect(problemsOf({ extra: 'limits: { header: 1048577 }' })).toContainEqual(expect.stringContaining('to 1MiB'));
  });

  test('are written in the largest unit that says them exactly', () => {
    expect([1, 1024, 1536, 1_048_576, 1_099_511_627_776].map(formatSize)).toEqual([
      '1B',
      '1KiB',
      '1536B',
      '1MiB',
      '1TiB',
    ]);
  });
});

describe('rates and percentages', () => {
  test('a rate counts per second', () => {
    expect(serviceOf({ extra: 'limits: { handshakes-per-source: 10/s }' }).limits.handshakesPerSource).toBe(10);
  });

  test.each(['10', '10/m', '-1/s', '1.5/s', '1000001/s'])('the rate %s is refused', (text) => {
    expect(problemsOf({ extra: `limits: { handshakes-per-source: ${text} }` })).toEqual([
      expect.stringContaining('must be a rate such as 10/s'),
    ]);
  });

  test('a percentage becomes a part of one', () => {
    expect(serviceOf({ extra: 'health: { jitter: 7% }' }).health.jitter).toBe(0.07);
    expect(serviceOf({ extra: 'outliers: { max-ejected: 100% }' }).outliers.maxEjected).toBe(1);
  });

  test.each(['10', '101%', '-1%', '0.5%', 'half'])('the percentage %s is refused', (text) => {
    expect(problemsOf({ extra: `health: { jitter: ${text} }` })).toEqual([
      expect.stringContaining('must be a percentage from 0% to 100%'),
    ]);
  });

  test('a number without a percent sign is answered with what to write', () => {
    expect(problemsOf({ extra: 'health: { jitter: 10 }' })).toEqual([expect.stringContaining('write 10%')]);
  });
});
