import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RecordingBackend, startRecordingBackend } from '../_util/e2e-backend.ts';
import { greet } from '../_util/e2e-client.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

const ROOT = join(import.meta.dirname, '../..');

interface Gateway extends AsyncDisposable {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  isServed(): Promise<boolean>;
}

let backend: RecordingBackend;

beforeAll(async () => {
  backend = await startRecordingBackend();
});
afterAll(async () => {
  await backend[Symbol.asyncDispose]();
});

/** The built program with its standard streams in the test's hands; its service listens on a UNIX socket. */
async function spawnWith(log: object): Promise<Gateway> {
  const folder: TestFolder = await createFolder();
  const socket = folder.file('client');
  const config = {
    workers: 1,
    admin: { listen: 'off' },
    log: { format: 'json', level: 'debug', ...log },
    services: [
      {
        name: 'icap',
        listen: `unix:${socket}`,
        protocol: 'tunnel',
        tls: 'off',
        health: { type: 'none' },
        backends: [{ address: `127.0.0.1:${backend.port}` }],
      },
    ],
  };
  await writeFile(folder.file('gateway.yaml'), JSON.stringify(config));
  const child = spawn(
    join(ROOT, 'node_modules/.bin/node'),
    [join(ROOT, 'dist/main.js'), 'run', '-c', folder.file('gateway.yaml')],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const exited = once(child, 'exit');
  return {
    child,
    isServed: async () => (await greet(connect(socket))).isServed,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Reads lines until one tells of this event; the stream is read on afterwards. */
function logged(stream: Readable, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    createInterface(stream)
      .on('line', (line) => {
        if (line.includes(`"event":"${event}"`)) resolve();
      })
      .once('close', () => reject(new Error(`the log ended without "${event}"`)));
  });
}

async function end({ child }: Gateway): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
}

test('a log that nobody reads any more costs nothing but the log', async () => {
  await using gateway = await spawnWith({});
  await logged(gateway.child.stderr, 'ready');
  gateway.child.stderr.destroy();
  for (let turn = 0; turn < 50; turn += 1) expect(await gateway.isServed()).toBe(true);
  await end(gateway);
});

test('an access log that nobody reads any more is told of in the log', async () => {
  await using gateway = await spawnWith({ access: '-' });
  const { stdout, stderr } = gateway.child;
  const failed = logged(stderr, 'access-log-failed');
  stdout.destroy();
  await expect.poll(gateway.isServed, { timeout: 10_000 }).toBe(true);
  await failed;
  expect(await gateway.isServed()).toBe(true);
  await end(gateway);
});

test.runIf(process.platform === 'linux')('a complaint that nobody reads does not end the gateway', async () => {
  await using gateway = await spawnWith({ file: '/dev/full' });
  gateway.child.stderr.destroy();
  await expect.poll(gateway.isServed, { timeout: 10_000 }).toBe(true);
  expect(await gateway.isServed()).toBe(true);
  await end(gateway);
});
