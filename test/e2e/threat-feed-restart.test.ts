import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { mismatches, readAdminSchema } from '../_util/admin-schema.ts';
import { ctl, getApi } from '../_util/e2e-ctl.ts';
import {
  BELIEVES_CLIENTS,
  feedsIn,
  findingOf,
  GUIDE_ADDRESS,
  GUIDE_EVENT,
  isTurnedAway,
  postFinding,
} from '../_util/e2e-feed.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { startTunnelBackend, type TunnelBackend } from '../_util/e2e-tunnel.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

const OPERATORS = '203.0.113.9';
const NETWORK = '203.0.113.128/25';

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

function start(feeds: object = {}, top: object = {}): Promise<RunningGateway> {
  return startGateway({
    workers: 2,
    ...top,
    feeds: feedsIn(folder.path, feeds),
    services: [
      {
        ...{ name: 'tunnel', listen: '127.0.0.1:0', protocol: 'tunnel', tls: 'off', health: { type: 'none' } },
        ...BELIEVES_CLIENTS,
        backends: [{ address: backend.address }],
      },
    ],
  });
}

function isAway(gateway: RunningGateway, source: string): Promise<boolean> {
  return isTurnedAway(source, gateway.port('tunnel'), 'hello');
}

async function entriesOf(gateway: RunningGateway): Promise<readonly Record<string, unknown>[]> {
  const { entries } = (await getApi(gateway, 'blocked')) as { readonly entries: readonly Record<string, unknown>[] };
  return entries;
}

describe('what is blocked', () => {
  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'is blocked again from the first connection on, after %s',
    async (signal) => {
      {
        await using gateway = await start();
        expect(await ctl(gateway, 'block', OPERATORS, '--for', '10m')).toMatchObject({ code: 0 });
        expect(await ctl(gateway, 'block', NETWORK)).toMatchObject({ code: 0 });
        expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
        gateway.signal(signal);
        await gateway.exited;
      }
      await using again = await start();
      const sources = [GUIDE_ADDRESS, OPERATORS, '203.0.113.200', GUIDE_ADDRESS, OPERATORS, '203.0.113.200'];
      expect(await Promise.all(sources.map((source) => isAway(again, source)))).toEqual(sources.map(() => true));
      expect(await isAway(again, '203.0.113.10')).toBe(false);
      const answer = await getApi(again, 'blocked');
      expect(mismatches(readAdminSchema(), 'BlockedList', answer)).toEqual([]);
      expect(answer).toMatchObject({
        entries: expect.arrayContaining([
          expect.objectContaining({ ip: GUIDE_ADDRESS, source: 'guardduty', findings: 1, relay: 'off', engines: {} }),
          expect.objectContaining({ ip: OPERATORS, source: 'manual', type: '', until: expect.any(String) }),
          expect.objectContaining({ ip: NETWORK, source: 'manual', until: null }),
        ]),
        queue: { type: 'embedded', depth: 0, oldestSeconds: 0 },
        smc: null,
      });
      expect(await again.metric('icapgw_block_list_entries', { source: 'guardduty' })).toBe(1);
      expect(await again.metric('icapgw_block_list_entries', { source: 'manual' })).toBe(2);
    },
  );

  test('is free again when its time is over, and not before', async () => {
    await using gateway = await start({ duration: '2s' });
    expect(await gateway.metric('icapgw_block_list_entries', { source: 'guardduty' })).toBe(0);
    expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
    const [entry] = await entriesOf(gateway);
    const until = Date.parse(String(entry?.['until']));
    await vi.waitFor(async () => expect(await isAway(gateway, GUIDE_ADDRESS)).toBe(true));
    await vi.waitFor(async () => expect(await isAway(gateway, GUIDE_ADDRESS)).toBe(false), { timeout: 10_000 });
    expect(Date.now()).toBeGreaterThanOrEqual(until);
    expect(await entriesOf(gateway)).toEqual([]);
    expect(await ctl(gateway, 'blocked')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^nobody is blocked$/m),
    });
  });

  test('is free again when its time is over after a restart', async () => {
    let until: number;
    {
      await using gateway = await start({ duration: '4s' });
      expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
      const [entry] = await entriesOf(gateway);
      until = Date.parse(String(entry?.['until']));
      gateway.signal('SIGKILL');
      await gateway.exited;
    }
    await using again = await start({ duration: '4s' });
    await vi.waitFor(async () => expect(await isAway(again, GUIDE_ADDRESS)).toBe(false), { timeout: 30_000 });
    expect(Date.now()).toBeGreaterThanOrEqual(until);
    // On every worker: they take connections in turn, or as the system likes.
    await vi.waitFor(async () => {
      const tried = await Promise.all(Array.from({ length: 8 }, () => isAway(again, GUIDE_ADDRESS)));
      expect(tried).toEqual(tried.map(() => false));
    });
    expect(await entriesOf(again)).toEqual([]);
  });

  test('is lifted by ctl unblock, whoever blocked it; what is not there is exit code 1', async () => {
    await using gateway = await start();
    expect((await postFinding(gateway, GUIDE_EVENT))[0]).toBe(200);
    await vi.waitFor(async () => expect(await isAway(gateway, GUIDE_ADDRESS)).toBe(true));
    expect((await ctl(gateway, 'blocked')).stdout).toMatch(
      /^198\.51\.100\.0 .* guardduty .*MaliciousIPCaller\.Custom$/m,
    );
    expect(await ctl(gateway, 'unblock', GUIDE_ADDRESS)).toMatchObject({ code: 0 });
    expect(await isAway(gateway, GUIDE_ADDRESS)).toBe(false);
    expect(await ctl(gateway, 'unblock', GUIDE_ADDRESS)).toMatchObject({ code: 1 });
  });

  test('is never an address of our own, nor an allowed one', async () => {
    await using gateway = await start({}, { 'block-list': { allow: ['203.0.113.0/26'] } });
    expect(await ctl(gateway, 'block', '127.0.0.1')).toMatchObject({ code: 1, stderr: expect.stringContaining('own') });
    expect(await ctl(gateway, 'block', '127.0.0.0/8')).toMatchObject({ code: 1 });
    expect(await ctl(gateway, 'block', OPERATORS)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('block-list.allow'),
    });
    expect(await entriesOf(gateway)).toEqual([]);
  });
});

test('a reload that allows an address lifts it, and one without a level no longer looks there', async () => {
  await using gateway = await start();
  for (const address of [GUIDE_ADDRESS, '198.51.100.77'])
    expect((await postFinding(gateway, findingOf(address)))[0]).toBe(200);
  expect(await ctl(gateway, 'block', OPERATORS)).toMatchObject({ code: 0 });
  await vi.waitFor(async () => expect(await isAway(gateway, '198.51.100.77')).toBe(true));
  const config = JSON.parse(readFileSync(gateway.file, 'utf8')) as { feeds: object };
  const allow = [`${GUIDE_ADDRESS}/32`, OPERATORS];
  writeFileSync(gateway.file, JSON.stringify({ ...config, 'block-list': { allow } }));
  expect(await ctl(gateway, 'reload')).toMatchObject({ code: 0 });
  expect((await entriesOf(gateway)).map(({ ip }) => ip)).toEqual(['198.51.100.77']);
  await vi.waitFor(async () => expect(await isAway(gateway, GUIDE_ADDRESS)).toBe(false));
  expect(await isAway(gateway, OPERATORS)).toBe(false);
  expect(await isAway(gateway, '198.51.100.77')).toBe(true);

  writeFileSync(gateway.file, JSON.stringify({ ...config, feeds: { ...config.feeds, enforce: ['client-ip'] } }));
  expect(await ctl(gateway, 'reload')).toMatchObject({ code: 0 });
  expect(await isAway(gateway, '198.51.100.77')).toBe(false);
});
