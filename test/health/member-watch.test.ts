import { describe, expect, test } from 'vitest';
import { PoolState } from '../../src/balance/pool-state.ts';
import { type MemberPast, MemberWatch, type MemberWatchOptions } from '../../src/health/member-watch.ts';
import type { Probe } from '../../src/health/probe.ts';

/** Never answers. */
const SILENT: Probe = () => new Promise(() => {});
const PAST = { sinceMs: 1_000, reason: '3 probes in a row failed', lastProbe: undefined };

function watch(earlier: MemberPast | undefined, more: Partial<MemberWatchOptions> = {}): MemberWatch {
  return new MemberWatch({
    member: { slot: 0, backend: 0, priority: 0, weight: 1, maxConnections: 0, key: '10.0.0.5:1344' },
    probe: SILENT,
    ...{ earlier, administrative: 'ready', state: PoolState.create(1, 1) },
    settings: { intervalMs: 1_000, timeoutMs: 500, rise: 1, fall: 1, jitter: 0, ejectMs: 1_000, slowStartMs: 0 },
    random: () => 0,
    onResult: () => {},
    onState: () => {},
    ...more,
  });
}

describe('a member that was there under the configuration before', () => {
  test.each(['up', 'down'] as const)('is %s since the same time and for the same reason', (state) => {
    using watched = watch({ ...PAST, state });
    expect(watched).toMatchObject({ state, sinceMs: 1_000, reason: PAST.reason });
  });

  test('is told anew where it is in another state', () => {
    using watched = watch({ ...PAST, state: 'ejected' });
    expect(watched).toMatchObject({ state: 'up', reason: undefined });
    expect(watched.sinceMs).toBeGreaterThan(1_000);
  });

  test('is up although it was down, where there are no checks any more that could bring it up', () => {
    using watched = watch({ ...PAST, state: 'down' }, { probe: undefined });
    expect(watched).toMatchObject({ state: 'up', reason: undefined });
  });
});
