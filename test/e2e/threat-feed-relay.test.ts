import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { mismatches, readAdminSchema } from '../_util/admin-schema.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { startConnector } from '../_util/e2e-connector.ts';
import { ctl, getApi } from '../_util/e2e-ctl.ts';
import { feedsIn, findingOf, GUIDE_ADDRESS, GUIDE_EVENT, postFinding } from '../_util/e2e-feed.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { type FakeSmc, startFakeSmc } from '../_util/fake-smc.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

const ENGINES = [{ name: 'NGFW 1' }, { name: 'NGFW 2' }, { name: 'Lab' }];
const API_KEY = '00123456';

let folder: TestFolder;
let smc: FakeSmc;

beforeEach(async () => {
  folder = await createFolder();
  smc = await startFakeSmc({ apiKey: API_KEY, engines: ENGINES, versions: ['6.7', '6.10'] });
});
afterEach(async () => {
  await smc[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function start(): Promise<RunningGateway> {
  const retry = { first: '50ms', most: '200ms', auth: '200ms' };
  const relay = { endpoint: smc.url, 'api-key': API_KEY, 'exclude-engines': ['Lab'], linger: '0s', retry };
  return startGateway({
    workers: 1,
    feeds: feedsIn(folder.path, { smc: relay }),
    services: [
      {
        ...{ name: 'tunnel', listen: '127.0.0.1:0', protocol: 'tunnel', tls: 'off', health: { type: 'none' } },
        backends: [{ address: '127.0.0.1:9' }],
      },
    ],
  });
}

async function expectBlocked(gateway: Pick<RunningGateway, 'adminUrl'>, report: object): Promise<void> {
  await vi.waitFor(
    async () => {
      const answer = await getApi(gateway, 'blocked');
      expect(mismatches(readAdminSchema(), 'BlockedList', answer)).toEqual([]);
      expect(answer).toMatchObject(report);
    },
    { timeout: 10_000 },
  );
}

test('an address is pending until the last engine has it, and each engine is told of', async () => {
  smc.fault = ({ operation, engine }) =>
    operation === 'add' && engine === 'NGFW 2' ? { status: 503, body: '{"message":"busy"}' } : undefined;
  await using gateway = await start();
  expect(await getApi(gateway, 'blocked')).toMatchObject({
    ...{ entries: [], queue: { type: 'embedded', depth: 0, oldestSeconds: 0 } },
    smc: { up: false, version: null, lastSuccess: null, lastError: null },
  });
  expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
  await expectBlocked(gateway, {
    entries: [{ ip: GUIDE_ADDRESS, relay: 'pending', engines: { 'NGFW 1': 'added', 'NGFW 2': 'pending' } }],
    queue: { depth: 1 },
  });
  smc.fault = () => undefined;
  await expectBlocked(gateway, {
    entries: [{ relay: 'done', engines: { 'NGFW 1': 'added', 'NGFW 2': 'added' } }],
    queue: { depth: 0, oldestSeconds: 0 },
    smc: { up: true, version: '6.7', lastSuccess: expect.any(String), lastError: null },
  });
  const { stdout } = await ctl(gateway, 'blocked');
  expect(stdout).toMatch(/^198\.51\.100\.0 .* guardduty +1 +done +2 of 2 +UnauthorizedAccess:IAMUser/m);
  expect(stdout).toMatch(/^SMC: up, API 6\.7, last success /m);
  expect(smc.addressesOf('Lab')).toEqual([]);
});

test('one that every engine refuses has failed', async () => {
  smc.fault = ({ operation }) =>
    operation === 'add' ? { status: 400, body: '{"message":"no such address"}' } : undefined;
  await using gateway = await start();
  expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
  const engines = { 'NGFW 1': 'rejected', 'NGFW 2': 'rejected' };
  await expectBlocked(gateway, { entries: [{ ip: GUIDE_ADDRESS, relay: 'failed', engines }], queue: { depth: 0 } });
});

test('one that is unblocked while the SMC is away is never relayed', async () => {
  smc.fault = () => ({ status: 503 });
  await using gateway = await start();
  expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
  await expectBlocked(gateway, {
    entries: [{ ip: GUIDE_ADDRESS, relay: 'pending', engines: {} }],
    queue: { depth: 1 },
    smc: { up: false, lastError: expect.stringContaining('503') },
  });
  expect(await ctl(gateway, 'unblock', GUIDE_ADDRESS)).toMatchObject({ code: 0 });
  await expectBlocked(gateway, { entries: [], queue: { depth: 0 } });
  smc.fault = () => undefined;
  expect((await postFinding(gateway, findingOf('198.51.100.9')))[0]).toBe(200);
  await expectBlocked(gateway, { entries: [{ ip: '198.51.100.9', relay: 'done' }] });
  expect(smc.addressesOf('NGFW 1')).not.toContain(GUIDE_ADDRESS);
});

test('one that an operator blocks is kept and shown, and never relayed; a connector is steered the same way', async () => {
  const { hostname, port } = new URL(smc.url);
  const config = `host: 127.0.0.1\nport: 0\nsmc_endpoint: http://${hostname}\nsmc_port: ${port}\nsmc_api_key: ${API_KEY}\n`;
  using place = createConfigFolder({ 'config.yaml': config });
  {
    await using connector = await startConnector({ folder: place.path });
    expect((await connector.post(JSON.parse(GUIDE_EVENT)))[0]).toBe(200);
    expect(await ctl(connector, 'block', '203.0.113.9', '--for', '1h')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^203\.0\.113\.9 is blocked until .*, but it turns nobody away here: .*block it at a gateway/,
      ),
    });
    expect(await ctl(connector, 'block', hostname)).toMatchObject({ code: 1 });
    await expectBlocked(connector, {
      entries: [
        { ip: '203.0.113.9', source: 'manual', relay: 'off' },
        { ip: GUIDE_ADDRESS, source: 'guardduty', relay: 'done' },
      ],
    });
    expect(smc.addressesOf('NGFW 1').some((address) => address.startsWith('203.'))).toBe(false);
    connector.signal('SIGKILL');
    await connector.exited;
  }
  await using again = await startConnector({ folder: place.path });
  await expectBlocked(again, { entries: [{ ip: '203.0.113.9' }, { ip: GUIDE_ADDRESS, relay: 'done' }] });
  expect(await ctl(again, 'unblock', '203.0.113.9')).toMatchObject({ code: 0 });
  expect(await ctl(again, 'unblock', '203.0.113.9')).toMatchObject({ code: 1 });
});
