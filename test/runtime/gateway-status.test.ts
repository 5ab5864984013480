import { describe, expect, test } from 'vitest';
import { CounterTotals } from '../../src/observe/counter-totals.ts';
import { createCounterBuffer, createCounterLayout } from '../../src/observe/counters.ts';
import type { BackendStatus } from '../../src/observe/status.ts';
import { snapshotStatus } from '../../src/runtime/gateway-status.ts';
import { Pool } from '../../src/runtime/pool.ts';
import { StatusHistory } from '../../src/runtime/status-history.ts';
import { readConfig, serviceText } from '../_util/config-text.ts';
import { scriptResolver } from '../_util/health-resolver.ts';
import { createLog } from '../_util/observe-log.ts';

interface StatusRig extends AsyncDisposable {
  readonly pool: Pool;
  backends(): readonly BackendStatus[];
}

/** The pool of one service, and what is told of its backends. Nothing is probed. */
async function startStatus(text: string): Promise<StatusRig> {
  const { config } = readConfig(text);
  const [service] = config?.services ?? [];
  if (config === undefined || service === undefined) throw new Error('not usable');
  const file = await createLog();
  const pool = new Pool({
    config: service,
    backendMaterial: [undefined],
    workers: 1,
    resolver: scriptResolver({}),
    log: file.log,
    earlier: undefined,
    onMembers: () => {},
    onOptions: () => {},
    onCheck: () => {},
  });
  await pool.start();
  const layout = createCounterLayout({ services: ['dlp'], backends: [['gone']], workers: 1 });
  const totals = new CounterTotals(layout, createCounterBuffer(layout));
  const history = new StatusHistory(() => ({ names: ['dlp'], totals }));
  return {
    pool,
    backends: () =>
      snapshotStatus({
        version: '0',
        startedAtMs: 1000,
        state: 'ready',
        config,
        addresses: [service.listen],
        pools: [pool],
        totals,
        material: [],
        history,
        recent: file.log.recent,
        blockedCount: 0,
      }).services[0]?.backends ?? [],
    async [Symbol.asyncDispose]() {
      history[Symbol.dispose]();
      pool[Symbol.dispose]();
      await file[Symbol.asyncDispose]();
    },
  };
}

test('a backend whose name never resolved says so, since the start', async () => {
  await using rig = await startStatus(serviceText().replace('10.0.0.5', 'gone.invalid'));
  expect(rig.backends()).toMatchObject([
    { state: 'down', reason: 'its name does not resolve', since: '1970-01-01T00:00:01.000Z' },
  ]);
});

test.each(['drain', 'maint'] as const)('a backend that the operator set to %s says so', async (wish) => {
  await using rig = await startStatus(serviceText({ extra: 'health: { type: none }' }));
  rig.pool.setAdministrative('10.0.0.5:1344', wish);
  expect(rig.backends()).toMatchObject([{ state: wish, reason: `set to ${wish} by the operator` }]);
  rig.pool.setAdministrative('10.0.0.5:1344', 'ready');
  expect(rig.backends()).toMatchObject([{ state: 'up', reason: expect.not.stringContaining('operator') }]);
});

describe('a weight set by the operator', () => {
  test('is shown, and goes to the memory that the workers choose by', async () => {
    await using rig = await startStatus(serviceText({ extra: 'health: { type: none }' }));
    expect(rig.backends()).toMatchObject([{ weight: 1 }]);
    const before = rig.pool.state.weightOf(0);
    rig.pool.setWeight('10.0.0.5:1344', 17);
    expect(rig.backends()).toMatchObject([{ weight: 17 }]);
    expect(rig.pool.state.weightOf(0)).toBe(before * 17);
  });
});
