import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Watchdog, watchdogMs } from '../../src/runtime/watchdog.ts';

describe('the watchdog of the service manager', () => {
  test.each([
    { name: 'is there when it says how long it waits', env: { WATCHDOG_USEC: '30000000' }, ms: 30_000 },
    { name: 'may name this process', env: { WATCHDOG_USEC: '1500', WATCHDOG_PID: '7' }, ms: 1.5 },
    { name: 'of another process is none', env: { WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, ms: undefined },
    { name: 'is off at 0', env: { WATCHDOG_USEC: '0' }, ms: undefined },
    { name: 'is off when what it says is no number', env: { WATCHDOG_USEC: '30s' }, ms: undefined },
    { name: 'is off when nothing is said', env: {}, ms: undefined },
  ])('$name', ({ env, ms }) => {
    expect(watchdogMs(env, 7)).toBe(ms);
  });
});

describe('Watchdog', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function setUp(ping: () => Promise<void>) {
    const feed = vi.fn();
    const onSilence = vi.fn();
    return { feed, onSilence, watchdog: new Watchdog({ timeoutMs: 1000, ping, feed, onSilence }) };
  }

  test('is fed twice in its time', async () => {
    const { feed, watchdog } = setUp(async () => {});
    await vi.advanceTimersByTimeAsync(3000);
    expect(feed).toHaveBeenCalledTimes(6);
    watchdog[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(3000);
    expect(feed).toHaveBeenCalledTimes(6);
  });

  test('is not fed while an answer is missing, which is told once; and is fed again after it', async () => {
    const answers: (() => void)[] = [];
    const { feed, onSilence, watchdog } = setUp(() => new Promise((resolve) => answers.push(resolve)));
    using _running = watchdog;
    await vi.advanceTimersByTimeAsync(2500);
    expect(answers).toHaveLength(1);
    expect(feed).not.toHaveBeenCalled();
    expect(onSilence.mock.calls).toEqual([[500]]);

    answers[0]?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(feed).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(answers).toHaveLength(2);
    expect(onSilence).toHaveBeenCalledTimes(2);
  });

  test('is not fed by who cannot even be asked', async () => {
    const { feed, onSilence, watchdog } = setUp(() => Promise.reject(new Error('gone')));
    using _running = watchdog;
    await vi.advanceTimersByTimeAsync(3000);
    expect(feed).not.toHaveBeenCalled();
    expect(onSilence).toHaveBeenCalledTimes(1);
  });
});
