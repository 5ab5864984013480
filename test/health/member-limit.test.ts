import { expect, test } from 'vitest';
import { PoolState } from '../../src/balance/pool-state.ts';
import { MemberWatch } from '../../src/health/member-watch.ts';

test('a member that is watched has the limit of the configuration, whoever had its slot before', () => {
  const state = PoolState.create(1, 1);
  state.setLimit(0, 3);
  using _watch = new MemberWatch({
    member: { slot: 0, backend: 0, priority: 0, weight: 1, maxConnections: 7, key: '10.0.0.5:1344' },
    probe: undefined,
    earlier: undefined,
    administrative: 'ready',
    state,
    settings: { intervalMs: 1_000, timeoutMs: 500, rise: 1, fall: 1, jitter: 0, ejectMs: 1_000, slowStartMs: 0 },
    random: () => 0,
    onResult: () => {},
    onState: () => {},
  });
  expect(state.configuredLimitOf(0)).toBe(7);
});
