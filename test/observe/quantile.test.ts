import { expect, test } from 'vitest';
import { latencyOf } from '../../src/observe/quantile.ts';

const BOUNDS = [0.001, 0.01, 0.1, 1];

test('nothing measured is nothing to tell', () => {
  expect(latencyOf(BOUNDS, { cumulative: [0, 0, 0, 0], count: 0 })).toBeNull();
  expect(latencyOf(BOUNDS, { cumulative: [], count: 0 })).toBeNull();
});

test('what a bucket holds is taken to be spread evenly', () => {
  expect(latencyOf(BOUNDS, { cumulative: [0, 100, 100, 100], count: 100 })).toEqual({
    count: 100,
    p50Ms: 5.5,
    p95Ms: 9.55,
    p99Ms: 9.91,
  });
});

test('each part is looked up in its own bucket', () => {
  expect(latencyOf(BOUNDS, { cumulative: [50, 94, 98, 100], count: 100 })).toMatchObject({
    p50Ms: 1,
    p95Ms: 32.5,
    p99Ms: 550,
  });
});

test('what is beyond the last bound is put at it', () => {
  expect(latencyOf(BOUNDS, { cumulative: [0, 0, 0, 1], count: 100 })).toMatchObject({ p50Ms: 1000, p99Ms: 1000 });
});
