import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { getApi } from '../_util/e2e-ctl.ts';
import { feedsIn, findingOf, GUIDE_ADDRESS, GUIDE_EVENT, postFinding } from '../_util/e2e-feed.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { startTunnelBackend, type TunnelBackend } from '../_util/e2e-tunnel.ts';
import { type FakeSmc, type FakeSmcOptions, startFakeSmc } from '../_util/fake-smc.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';
import { hasRabbit, startRabbitServer } from '../_util/rabbitmq-server.ts';

const ENGINES = [{ name: 'NGFW 1' }, { name: 'NGFW 2', type: 'fw_cluster' }, { name: 'NGFW 3' }];
const KEY = 'key-of-the-api-client';
const WAIT = { timeout: 30_000, interval: 20 };

let folder: TestFolder;
let backend: TunnelBackend;

beforeEach(async () => {
  folder = await createFolder();
  backend = await startTunnelBackend();
});
afterEach(async () => {
  await backend[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function smcSettings(smc: FakeSmc, more: object = {}): object {
  return { endpoint: smc.url, 'api-key': KEY, 'exclude-engines': ['NGFW 2'], linger: '20ms', timeout: '5s', ...more };
}

function start(feeds: object, state = folder.path): Promise<RunningGateway> {
  return startGateway({
    workers: 1,
    feeds: feedsIn(state, feeds),
    services: [
      {
        ...{ name: 'tunnel', listen: '127.0.0.1:0', protocol: 'tunnel', tls: 'off', health: { type: 'none' } },
        backends: [{ address: backend.address }],
      },
    ],
  });
}

function startSmc(options: FakeSmcOptions = {}): Promise<FakeSmc> {
  return startFakeSmc({ engines: ENGINES, apiKey: KEY, ...options });
}

async function holds(smc: FakeSmc, addresses: readonly string[]): Promise<void> {
  await vi.waitFor(() => {
    for (const name of ['NGFW 1', 'NGFW 3']) expect(smc.addressesOf(name).toSorted()).toEqual(addresses.toSorted());
  }, WAIT);
}

describe('the engines of an SMC', () => {
  test.each([{ versions: ['6.7', '6.10'] }, { versions: ['7.0', '7.1'] }])(
    'that offers $versions block what the guide tests with, but for excluded ones',
    async ({ versions }) => {
      await using smc = await startSmc({ versions });
      await using gateway = await start({ duration: '30m', smc: smcSettings(smc) });
      expect(await postFinding(gateway, GUIDE_EVENT)).toEqual([200, 'Success!']);
      await holds(smc, [GUIDE_ADDRESS]);
      expect(smc.entriesOf('NGFW 1')).toHaveLength(2);
      for (const { duration } of smc.entriesOf('NGFW 1')) {
        expect(duration).toBeGreaterThan(1790);
        expect(duration).toBeLessThanOrEqual(1800);
      }
      expect(smc.addressesOf('NGFW 2')).toEqual([]);
      await vi.waitFor(async () => expect(await gateway.metric('icapgw_smc_up', {})).toBe(1), WAIT);
      expect(await gateway.metric('icapgw_smc_entries_total', { engine: 'NGFW 1', result: 'added' })).toBe(1);
      expect(await gateway.metric('icapgw_smc_requests_total', { operation: 'logout', code: '204' })).toBe(1);
      expect(await getApi(gateway, 'blocked')).toMatchObject({
        entries: [{ ip: GUIDE_ADDRESS, relay: 'done', engines: { 'NGFW 1': 'added', 'NGFW 3': 'added' } }],
        queue: { depth: 0 },
        smc: { up: true, version: versions[0] },
      });
      expect(smc.sessionCount).toBe(0);
      expect(smc.complaints).toEqual([]);
    },
  );

  test('are told after a crash what they were not told before it, and nothing twice', async () => {
    await using smc = await startSmc();
    const feeds = { smc: smcSettings(smc, { retry: { first: '200ms' } }) };
    const isBusy = Promise.withResolvers<void>();
    smc.fault = ({ operation, engine, body }) => {
      if (operation !== 'add' || engine !== 'NGFW 3' || !body.includes(GUIDE_ADDRESS)) return undefined;
      isBusy.resolve();
      return { status: 503 };
    };
    {
      await using gateway = await start(feeds);
      expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
      await isBusy.promise;
      await vi.waitFor(async () => {
        expect(await getApi(gateway, 'blocked')).toMatchObject({
          entries: [{ relay: 'pending', engines: { 'NGFW 1': 'added', 'NGFW 3': 'pending' } }],
        });
      }, WAIT);
      gateway.signal('SIGKILL');
      await gateway.exited;
    }
    smc.fault = () => undefined;
    await using _ = await start(feeds);
    await holds(smc, [GUIDE_ADDRESS]);
  });

  test('wait for a key that is accepted, which a reload brings at once', async () => {
    await using smc = await startSmc({ apiKey: 'the-new-key' });
    await using gateway = await start({ smc: smcSettings(smc) });
    expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
    await gateway.waitForEvent('smc-login-refused');
    smc.apiKey = KEY;
    gateway.signal('SIGHUP');
    await holds(smc, [GUIDE_ADDRESS]);
    await gateway.waitForEvent('smc-recovered');
  });
});

describe.runIf(hasRabbit)('gateways at one RabbitMQ', () => {
  test('relay once what any of them is sent, and go on when one is killed', { timeout: 120_000 }, async () => {
    await using broker = await startRabbitServer();
    await using smc = await startSmc();
    await using other = await createFolder();
    const feeds = { smc: smcSettings(smc), queue: { type: 'rabbitmq', url: broker.url } };
    await using a = await start(feeds);
    await using b = await start(feeds, other.path);
    const post = (gateway: RunningGateway, address: string): Promise<void> =>
      vi.waitFor(async () => expect((await postFinding(gateway, findingOf(address)))[0]).toBe(200), WAIT);
    // Whoever takes a finding is known at the broker.
    const first = ['198.51.100.8', '198.51.100.9'] as const;
    await post(a, first[0]);
    await post(b, first[1]);
    await post(a, '198.51.100.1');
    await post(b, '198.51.100.2');
    await post(b, '198.51.100.1');
    await holds(smc, [...first, '198.51.100.1', '198.51.100.2']);
    for (const gateway of [a, b]) {
      await vi.waitFor(async () => {
        expect(await getApi(gateway, 'blocked')).toMatchObject({
          entries: expect.arrayContaining([
            expect.objectContaining({ ip: '198.51.100.1', findings: 2, relay: 'done' }),
            expect.objectContaining({ ip: '198.51.100.2', findings: 1, relay: 'done' }),
          ]),
          queue: { type: 'rabbitmq', depth: 0 },
        });
      }, WAIT);
    }
    // One of them has the relay: the one that is killed, as a rule.
    const asked = Promise.withResolvers<void>();
    smc.fault = ({ operation }) => {
      if (operation !== 'add') return undefined;
      asked.resolve();
      return { act: 'hang' };
    };
    await post(b, '198.51.100.3');
    await asked.promise;
    a.signal('SIGKILL');
    await a.exited;
    smc.fault = () => undefined;
    await holds(smc, [...first, '198.51.100.1', '198.51.100.2', '198.51.100.3']);
  });
});
