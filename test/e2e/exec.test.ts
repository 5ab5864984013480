import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { readUntil } from '../_util/e2e-client.ts';
import { type RunningGateway, spawnGateway, startGateway } from '../_util/e2e-gateway.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-exec-'));
afterAll(() => rmSync(folder, { recursive: true }));
chmodSync(folder, 0o755);

let programs = 0;

/** A program for a shell; its path. */
function programOf(script: string): string {
  programs += 1;
  const path = join(folder, `program-${programs}`);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

function serviceOf(program: string, more: object = {}): object {
  return {
    name: 'program',
    listen: '127.0.0.1:0',
    protocol: 'tunnel',
    tls: { cert: lab.server.cert, key: lab.server.key, 'client-auth': { mode: 'require', ca: lab.ca.cert } },
    health: { type: 'none' },
    backends: [{ name: 'program', address: `exec:${program}` }],
    ...more,
  };
}

async function connect(gateway: RunningGateway, identity = lab.client): Promise<TLSSocket> {
  const socket = connectTls({
    port: gateway.port('program'),
    rejectUnauthorized: false,
    cert: readFileSync(identity.cert),
    key: readFileSync(identity.key),
  });
  socket.on('error', () => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a program has its place until it has ended, and the log and the metrics know it', async () => {
  const program = programOf('echo $$; trap "" PIPE; while [ ! -e "$0.end" ]; do sleep 0.05; done; exit 7');
  await using gateway = await startGateway({ services: [serviceOf(program, { limits: { connections: 1 } })] });
  const first = await connect(gateway);
  const pid = Number(await readUntil(first, '\n'));
  first.destroy();
  const { pid: started } = await gateway.waitForEvent('program-started');
  expect(started).toBe(pid);
  await expect.poll(() => gateway.metric('icapgw_bytes_total', { direction: 'sent' })).toBeGreaterThan(0);
  const second = connectTls({ port: gateway.port('program'), rejectUnauthorized: false });
  second.on('error', () => second.destroy());
  await gateway.waitForEvent('connection-rejected', ({ reason }) => reason === 'service-limit');
  expect(await gateway.metric('icapgw_backend_connections_active', { backend: 'program' })).toBe(1);
  writeFileSync(`${program}.end`, '');
  expect(await gateway.waitForEvent('program-ended')).toMatchObject({ pid, exitCode: 7, level: 'notice' });
  await gateway.waitForEvent('connection-closed');
  expect(await gateway.metric('icapgw_backend_connections_active', { backend: 'program' })).toBe(0);
  const third = await connect(gateway);
  expect(await readUntil(third, '\n')).not.toBe('');
  third.destroy();
  expect(await gateway.metric('icapgw_backend_connections_total', { backend: 'program', result: 'connected' })).toBe(2);
});

test('a client that is not let in meets no program', async () => {
  const program = programOf('echo met');
  await using gateway = await startGateway({ services: [serviceOf(program)] });
  const stranger = await connect(gateway, lab.otherClient);
  await gateway.waitForEvent('handshake-failed');
  expect(await readUntil(stranger, 'met')).toBe('');
  expect(gateway.events.some(({ event }) => event === 'program-started')).toBe(false);
});

test('the end of the gateway is that of its programs, also of those that listen to nothing', async () => {
  const program = programOf('trap "" TERM PIPE HUP; echo $$; while :; do sleep 1000; done');
  await using gateway = await startGateway({ 'drain-timeout': '100ms', services: [serviceOf(program)] });
  const client = await connect(gateway);
  const pid = Number(await readUntil(client, '\n'));
  gateway.signal('SIGTERM');
  expect(await gateway.waitForEvent('program-ended')).toMatchObject({ pid, signal: 'SIGKILL' });
  expect(await gateway.exited).toMatchObject({ code: 0 });
  expect(isRunning(pid)).toBe(false);
  expect(await gateway.waitForEvent('drained')).toMatchObject({ cut: 1 });
});

test('a program that has worked on for too long after its connection is ended', async () => {
  const program = programOf('echo $$; exec sleep 1000');
  await using gateway = await startGateway({ services: [serviceOf(program, { timeouts: { idle: '300ms' } })] });
  const client = await connect(gateway);
  const pid = Number(await readUntil(client, '\n'));
  client.destroy();
  expect(await gateway.waitForEvent('program-ended')).toMatchObject({ pid, signal: 'SIGTERM' });
  await gateway.waitForEvent('connection-closed');
});

test('a reload leaves running programs alone, and is for those that start after it', async () => {
  const before = programOf('echo before; read -r line; echo "$line and before"');
  const after = programOf('echo after');
  await using gateway = await startGateway({ services: [serviceOf(before)] });
  const client = await connect(gateway);
  await readUntil(client, 'before\n');
  writeFileSync(gateway.file, readFileSync(gateway.file, 'utf8').replaceAll(before, after));
  gateway.signal('SIGHUP');
  await gateway.waitForEvent('reloaded');
  const next = await connect(gateway);
  expect(await readUntil(next, 'after\n')).toBe('after\n');
  client.write('still\n');
  expect(await readUntil(client, 'and before\n')).toBe('still and before\n');
  for (const socket of [client, next]) socket.destroy();
});

test('a program that cannot be executed is a mistake; one that is lost later costs its clients the connection', async () => {
  const program = programOf('echo here');
  await using gateway = await startGateway({ services: [serviceOf(program)] });
  rmSync(program);
  const client = await connect(gateway);
  expect(await readUntil(client, 'here')).toBe('');
  expect(await gateway.waitForEvent('backend-failed')).toMatchObject({
    detail: `the backend cannot be connected: spawn ${program} ENOENT`,
  });
  gateway.signal('SIGHUP');
  await gateway.waitForEvent('reload-failed');
  await using refused = spawnGateway({ services: [serviceOf(program)] });
  expect(await refused.exited).toMatchObject({ code: 2 });
  expect(refused.stderr).toMatch(/gateway\.conf:1: error: exec: \S+ cannot be executed: ENOENT/);
});

const NOBODY = process.getuid?.() === 0 ? execFileSync('id', ['-u', 'nobody'], { encoding: 'utf8' }).trim() : undefined;

test.skipIf(NOBODY === undefined)('a program runs as the user that the gateway has become', async () => {
  const program = programOf('id -u; grep Groups /proc/self/status');
  await using gateway = await startGateway({ setuid: 'nobody', setgid: 'nogroup', services: [serviceOf(program)] });
  const client = await connect(gateway);
  const groups = execFileSync('id', ['-g', 'nobody'], { encoding: 'utf8' }).trim();
  expect((await readUntil(client, 'Groups:\t65534')).trim().split(/\s+/)).toEqual([NOBODY, 'Groups:', groups]);
  client.destroy();
});
