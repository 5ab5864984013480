import { expect, test } from 'vitest';
import { RequestRate } from '../../../src/feeds/guardduty/request-rate.ts';

function countOf(rate: RequestRate, nowMs: number, tries: number): number {
  return Array.from({ length: tries }, () => rate.take(nowMs)).filter((wait) => wait === 0).length;
}

test('as many at once as in a second, then one each time a share of a second is over', () => {
  const rate = new RequestRate(10);
  expect(countOf(rate, 0, 30)).toBe(10);
  expect(countOf(rate, 99, 5)).toBe(0);
  expect(countOf(rate, 100, 5)).toBe(1);
  expect(countOf(rate, 1_000_000, 30)).toBe(10);
});

test('who is refused is told a whole second at least', () => {
  const rate = new RequestRate(1);
  rate.take(0);
  expect(rate.take(1)).toBe(1);
});

test('nothing is a rate without a limit', () => {
  expect(countOf(new RequestRate(0), 0, 10_000)).toBe(10_000);
});

test('a clock that is set back gives nothing away', () => {
  const rate = new RequestRate(10);
  expect(countOf(rate, 1000, 10)).toBe(10);
  expect(countOf(rate, 0, 5)).toBe(0);
  expect(countOf(rate, 100, 5)).toBe(1);
});

test('another limit holds at once', () => {
  const rate = new RequestRate(10);
  rate.perSecond = 3;
  expect(countOf(rate, 0, 10)).toBe(3);
  rate.perSecond = 0;
  expect(countOf(rate, 0, 10)).toBe(10);
  rate.perSecond = 5;
  expect(countOf(rate, 0, 10)).toBe(5);
});
