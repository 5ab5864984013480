import { rename } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RecordingBackend, startRecordingBackend } from '../_util/e2e-backend.ts';
import { greet } from '../_util/e2e-client.ts';
import { type SpawnedGateway, spawnGateway, startGateway } from '../_util/e2e-gateway.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

let backend: RecordingBackend;
let folder: TestFolder;

beforeAll(async () => {
  folder = await createFolder();
  backend = await startRecordingBackend();
});
afterAll(async () => {
  await backend[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

function services(): readonly object[] {
  return [
    {
      name: 'icap',
      listen: `unix:${folder.file('client')}`,
      protocol: 'tunnel',
      tls: 'off',
      health: { type: 'none' },
      backends: [{ address: `127.0.0.1:${backend.port}` }],
    },
  ];
}

async function isServed(): Promise<boolean> {
  return (await greet(connect(folder.file('client')))).isServed;
}

/** Events of a log file as far as it is written; none where there is no file yet. */
async function eventsOf(name: string): Promise<string[]> {
  const lines = await folder.lines(name).catch(() => []);
  return lines.map((line) => String(JSON.parse(line).event));
}

async function end(gateway: SpawnedGateway): Promise<void> {
  gateway.signal('SIGTERM');
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
}

test('SIGUSR1 opens log and access log again after they were renamed', async () => {
  await using gateway = spawnGateway({
    workers: 1,
    log: { file: folder.file('log'), access: folder.file('access') },
    services: services(),
  });
  await expect.poll(() => eventsOf('log')).toContain('ready');
  expect(await isServed()).toBe(true);
  await expect.poll(() => eventsOf('log')).toContain('connection-closed');
  await expect.poll(() => folder.lines('access')).toHaveLength(1);
  await rename(folder.file('log'), folder.file('log.1'));
  await rename(folder.file('access'), folder.file('access.1'));
  gateway.signal('SIGUSR1');
  await expect.poll(() => eventsOf('log')).toContain('log-reopened');
  expect(await isServed()).toBe(true);
  await expect.poll(() => eventsOf('log')).toContain('connection-closed');
  await expect.poll(() => folder.lines('access')).toHaveLength(1);
  expect(await folder.lines('access.1')).toHaveLength(1);
  await end(gateway);
  const events = await eventsOf('log');
  expect(events).toEqual(expect.arrayContaining(['terminated', 'drained']));
  expect(events.filter((event) => event === 'log-reopened')).toHaveLength(1);
  expect(await eventsOf('log.1')).not.toContain('terminated');
});

test('a log on a full disk costs lines and nothing else', async () => {
  await using gateway = spawnGateway({
    workers: 1,
    admin: { listen: `unix:${folder.file('admin')}` },
    log: { file: '/dev/full', access: '/dev/full' },
    services: services(),
  });
  await expect.poll(isServed, { timeout: 10_000 }).toBe(true);
  for (let turn = 0; turn < 50; turn += 1) expect(await isServed()).toBe(true);
  expect(gateway.stderr).toContain('/dev/full');
  await end(gateway);
});

test('an access log on a full disk is told of in the log', async () => {
  await using gateway = await startGateway({ workers: 1, log: { access: '/dev/full' }, services: services() });
  expect(await isServed()).toBe(true);
  const { file, detail } = await gateway.waitForEvent('access-log-failed');
  expect({ file, detail }).toEqual({ file: '/dev/full', detail: expect.stringContaining('ENOSPC') });
  expect(await isServed()).toBe(true);
  await end(gateway);
});
