import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ProbeLoopOptions, startProbeLoop } from '../../src/health/probe-loop.ts';
import { seededRandom } from '../_util/health-random.ts';
import { scriptProbe } from '../_util/health-script.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function optionsOf(script: ReturnType<typeof scriptProbe>, options: Partial<ProbeLoopOptions> = {}): ProbeLoopOptions {
  const defaults = { intervalMs: 5_000, timeoutMs: 2_000, jitter: 0, random: () => 0, onResult: () => {} };
  return { probe: script.probe, ...defaults, ...options };
}

function gaps(startsMs: readonly number[]): number[] {
  return startsMs.slice(1).map((start, i) => start - (startsMs[i] ?? 0));
}

describe('the probe loop', () => {
  test.each([
    { random: 0, intervalMs: 5_000, atMs: 0 },
    { random: 0.999, intervalMs: 5_000, atMs: 100 },
    { random: 0.999, intervalMs: 20, atMs: 20 },
  ])('the first probe comes at once: by $atMs ms of an interval of $intervalMs', async (row) => {
    const script = scriptProbe();
    using _loop = startProbeLoop(optionsOf(script, { intervalMs: row.intervalMs, random: () => row.random }));
    await vi.advanceTimersByTimeAsync(row.atMs);
    expect(script.startsMs).toHaveLength(1);
  });

  test('without jitter probes start one interval apart, however long each takes', async () => {
    const script = scriptProbe('silent');
    using _loop = startProbeLoop(optionsOf(script));
    for (let i = 0; i < 4; i += 1) {
      await vi.advanceTimersByTimeAsync(1_500);
      script.settle('well');
      await vi.advanceTimersByTimeAsync(3_500);
    }
    expect(gaps(script.startsMs)).toEqual([5_000, 5_000, 5_000, 5_000]);
  });

  test('with jitter every interval is within its bounds, and they differ', async () => {
    const script = scriptProbe();
    using _loop = startProbeLoop(optionsOf(script, { jitter: 0.1, random: seededRandom(9) }));
    await vi.advanceTimersByTimeAsync(500_000);
    const all = gaps(script.startsMs);
    expect(all.length).toBeGreaterThan(90);
    expect(Math.min(...all)).toBeGreaterThanOrEqual(4_499);
    expect(Math.max(...all)).toBeLessThanOrEqual(5_501);
    expect(new Set(all.map(Math.round)).size).toBeGreaterThan(50);
  });

  test('a probe that outlasts the interval is never joined by a second one', async () => {
    const script = scriptProbe('silent');
    const results: boolean[] = [];
    using _loop = startProbeLoop(optionsOf(script, { onResult: ({ ok }) => results.push(ok) }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(script.startsMs).toHaveLength(1);
    script.settle('timeout');
    await vi.advanceTimersByTimeAsync(0);
    expect(results).toEqual([false]);
    expect(script.startsMs).toHaveLength(2);
    expect(script.mostAtOnce()).toBe(1);
  });

  test('disposing aborts the running probe and reports nothing more', async () => {
    const script = scriptProbe('silent');
    const onResult = vi.fn();
    const loop = startProbeLoop(optionsOf(script, { onResult }));
    await vi.advanceTimersByTimeAsync(0);
    loop[Symbol.dispose]();
    script.settle('well');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(onResult).not.toHaveBeenCalled();
    expect(script.startsMs).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('disposing before the first probe leaves no timer', () => {
    startProbeLoop(optionsOf(scriptProbe()))[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('disposing from within a result ends the loop', async () => {
    const script = scriptProbe();
    const loop = startProbeLoop(optionsOf(script, { onResult: () => loop[Symbol.dispose]() }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(script.startsMs).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
