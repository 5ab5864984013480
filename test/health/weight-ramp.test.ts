import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startWeightRamp } from '../../src/health/weight-ramp.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('the part grows in even steps from 10 % to all of it, and then the timer is gone', async () => {
  const parts: number[] = [];
  using _ramp = startWeightRamp(10_000, (part) => parts.push(part));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(parts).toHaveLength(21);
  expect(parts[0]).toBe(0.1);
  expect(parts.at(-1)).toBe(1);
  expect(parts).toEqual(parts.toSorted((a, b) => a - b));
  expect(vi.getTimerCount()).toBe(0);
});

test('a short window does not make more steps than are useful', async () => {
  const onPart = vi.fn();
  using _ramp = startWeightRamp(250, onPart);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(onPart).toHaveBeenCalledTimes(4);
});

test('without a window all of the weight is there at once', () => {
  const onPart = vi.fn();
  using _ramp = startWeightRamp(0, onPart);
  expect(onPart.mock.calls).toEqual([[1]]);
  expect(vi.getTimerCount()).toBe(0);
});

test('disposing stops it where it is', async () => {
  const onPart = vi.fn();
  startWeightRamp(10_000, onPart)[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(onPart).toHaveBeenCalledTimes(1);
});
