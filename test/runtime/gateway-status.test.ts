import { expect, test } from 'vitest';
import { CounterTotals } from '../../src/observe/counter-totals.ts';
import { createCounterBuffer, createCounterLayout } from '../../src/observe/counters.ts';
import { openLogger } from '../../src/observe/logger.ts';
import { snapshotStatus } from '../../src/runtime/gateway-status.ts';
import { Pool } from '../../src/runtime/pool.ts';
import { readConfig, serviceText } from '../_util/config-text.ts';
import { scriptResolver } from '../_util/health-resolver.ts';
import { createFolder } from '../_util/observe-log.ts';

test('a backend whose name never resolved says so, since the start', async () => {
  await using folder = await createFolder();
  const { config } = readConfig(serviceText().replace('10.0.0.5', 'gone.invalid'));
  const [service] = config?.services ?? [];
  if (config === undefined || service === undefined) throw new Error('not usable');
  await using log = await openLogger({
    ...config.log,
    file: folder.file('log'),
    color: false,
    complain: () => {},
  });
  using pool = new Pool({
    config: service,
    backendMaterial: [undefined],
    workers: 1,
    resolver: scriptResolver({}),
    log,
    onMembers: () => {},
    onOptions: () => {},
    onCheck: () => {},
  });
  await pool.start();
  const layout = createCounterLayout({ services: ['dlp'], backends: [['gone']], workers: 1 });
  const status = snapshotStatus({
    version: '0',
    startedAtMs: 1000,
    state: 'ready',
    config,
    addresses: [service.listen],
    pools: [pool],
    totals: new CounterTotals(layout, createCounterBuffer(layout)),
  });
  expect(status.services[0]?.backends).toEqual([
    expect.objectContaining({
      state: 'down',
      reason: 'its name does not resolve',
      since: '1970-01-01T00:00:01.000Z',
    }),
  ]);
});
