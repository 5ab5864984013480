import { expect, test } from 'vitest';
import { LastMinute } from '../../src/observe/last-minute.ts';

test('in its first minute it tells what was gained since the first sample', () => {
  const minute = new LastMinute();
  minute.record(0, [10, 0]);
  minute.record(5000, [12, 1]);
  expect(minute.gained([15, 1])).toEqual([5, 1]);
});

test('later it tells what was gained within a minute', () => {
  const minute = new LastMinute();
  for (let seconds = 0; seconds <= 300; seconds += 5) minute.record(seconds * 1000, [seconds]);
  expect(minute.gained([300])).toEqual([60]);
});

test('totals that begin anew, as after a reload, give no negative numbers', () => {
  const minute = new LastMinute();
  minute.record(0, [10]);
  expect(minute.gained([3])).toEqual([0]);
});

test('without a sample there is nothing to tell', () => {
  expect(new LastMinute().gained([7, 8])).toEqual([0, 0]);
});
