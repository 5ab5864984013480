import { expect, test } from 'vitest';
import { clockText, daysText, durationText, sizeText } from '../../src/observe/status-time.ts';

test.each([
  [0, '0 s'],
  [-5, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [200_000, '3 min 20 s'],
  [7_500_000, '2 h 5 min'],
  [1_047_600_000, '12 d 3 h'],
])('%i ms are %s', (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [5 * 1024 ** 3, '5.0 GiB'],
  [2 ** 60, '1048576.0 TiB'],
])('%i bytes are %s', (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});

test('a certificate has days left, or expired days ago', () => {
  expect([1, 0, -1, -3].map(daysText)).toEqual(['1 day', '0 days', 'expired 1 day ago', 'expired 3 days ago']);
});

test('a time is shown to the second', () => {
  expect(clockText('2026-11-20T23:29:14.123Z')).toBe('2026-11-20 23:29:14');
});
