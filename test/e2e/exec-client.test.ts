import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { startGateway } from '../_util/e2e-gateway.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-exec-client-'));
afterAll(() => rmSync(folder, { recursive: true }));

let programs = 0;

function programOf(script: string): string {
  programs += 1;
  const path = join(folder, `program-${programs}`);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** A backend that answers each connection with `answer` when it has got a line, and stays open where it says so. */
interface Backend extends AsyncDisposable {
  readonly port: number;
  /** What each connection has brought. */
  readonly visits: readonly string[];
}

async function startBackend({
  tls,
  ends = true,
}: {
  readonly tls: boolean;
  readonly ends?: boolean;
}): Promise<Backend> {
  const visits: string[] = [];
  const open = new Set<Socket>();
  const onConnection = (socket: Socket): void => {
    const index = visits.push('') - 1;
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
    socket.setEncoding('utf8').on('data', (text: string) => {
      visits[index] += text;
      if (!text.endsWith('\n')) return;
      socket.write('answer\n');
      if (ends) socket.end();
    });
  };
  const server: Server = tls
    ? createTlsServer({ cert: readFileSync(lab.server.cert), key: readFileSync(lab.server.key) }, onConnection)
    : createServer(onConnection);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('it is one of TCP');
  return {
    port: address.port,
    visits,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function serviceOf(program: string, port: number, more: object = {}): object {
  return {
    ...{ name: 'sender', listen: `exec:${program}`, protocol: 'tunnel', tls: 'off', health: { type: 'none' } },
    ...{ backends: [{ address: `127.0.0.1:${port}` }], ...more },
  };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a program is the client once, and talks TLS through the gateway', async () => {
  const program = programOf('echo "from $1"; read -r answer; echo "$answer" > "$0.answer"; exit 4');
  await using backend = await startBackend({ tls: true });
  await using gateway = await startGateway({
    workers: 3,
    services: [
      serviceOf(`${program} sender one`, backend.port, {
        backends: [{ address: `127.0.0.1:${backend.port}`, tls: { ca: lab.ca.cert, 'server-name': 'localhost' } }],
      }),
    ],
  });
  expect(await gateway.waitForEvent('program-ended')).toMatchObject({ service: 'sender', exitCode: 4 });
  await gateway.waitForEvent('connection-closed');
  expect(readFileSync(`${program}.answer`, 'utf8')).toBe('answer\n');
  expect(backend.visits).toEqual(['from one\n']);
  // With SIGHUP it is started again, as it is in stunnel.
  gateway.signal('SIGHUP');
  await expect.poll(() => backend.visits).toEqual(['from one\n', 'from one\n']);
  expect(gateway.events.filter(({ event }) => event === 'program-started')).toHaveLength(2);
});

test('a program that is to be started again is, and never runs twice', async () => {
  const program = programOf('mkdir "$0.lock" || echo twice; echo "$$"; read -r answer; rmdir "$0.lock"');
  await using backend = await startBackend({ tls: false });
  await using gateway = await startGateway({
    workers: 3,
    services: [serviceOf(program, backend.port, { 'exec-restart': '10ms' })],
  });
  await expect.poll(() => backend.visits.length).toBeGreaterThanOrEqual(4);
  gateway.signal('SIGTERM');
  expect(await gateway.exited).toMatchObject({ code: 0 });
  expect(backend.visits.join('')).not.toContain('twice');
  expect(new Set(backend.visits).size).toBe(backend.visits.length);
});

test('a program that finds no backend sees the end, and a reload leaves alone what runs', async () => {
  const program = programOf('read -r line; echo "$line$?" > "$0.seen"; exec sleep 1000');
  await using closed = await startBackend({ tls: false });
  await closed[Symbol.asyncDispose]();
  await using gateway = await startGateway({ 'drain-timeout': '100ms', services: [serviceOf(program, closed.port)] });
  await gateway.waitForEvent('no-backend');
  await expect.poll(() => readFileSync(`${program}.seen`, { encoding: 'utf8', flag: 'a+' })).toBe('1\n');
  const { pid } = await gateway.waitForEvent('program-started');
  gateway.signal('SIGHUP');
  await gateway.waitForEvent('reloaded');
  expect(isRunning(pid)).toBe(true);
  gateway.signal('SIGTERM');
  expect(await gateway.waitForEvent('program-ended')).toMatchObject({ pid, signal: 'SIGTERM' });
  expect(await gateway.exited).toMatchObject({ code: 0 });
  expect(gateway.events.filter(({ event }) => event === 'program-started')).toHaveLength(1);
});

test('several services may start the same program, each for itself, also one that comes later', async () => {
  const program = programOf('echo here; cat > "$0.log"');
  await using one = await startBackend({ tls: false });
  await using two = await startBackend({ tls: false, ends: false });
  const again = { 'exec-restart': '10ms' };
  const first = serviceOf(program, one.port, again);
  await using gateway = await startGateway({ services: [first] });
  await expect.poll(() => one.visits.length).toBeGreaterThan(1);
  const config = JSON.parse(readFileSync(gateway.file, 'utf8')) as { services: object[] };
  config.services.push({ ...serviceOf(program, two.port), name: 'other' });
  writeFileSync(gateway.file, JSON.stringify(config));
  gateway.signal('SIGHUP');
  await gateway.waitForEvent('reloaded');
  await expect.poll(() => two.visits).toEqual(['here\n']);
  const before = one.visits.length;
  await expect.poll(() => one.visits.length).toBeGreaterThan(before + 1);
});

test('a service that is left out starts its program no more, and one that comes does', async () => {
  const [first, second] = [programOf('echo first; cat > "$0.log"'), programOf('echo second; cat > "$0.log"')];
  await using backend = await startBackend({ tls: false, ends: false });
  await using gateway = await startGateway({ services: [serviceOf(first, backend.port, { 'exec-restart': '10ms' })] });
  await expect.poll(() => backend.visits).toEqual(['first\n']);
  writeFileSync(gateway.file, readFileSync(gateway.file, 'utf8').replaceAll(first, second));
  gateway.signal('SIGHUP');
  await gateway.waitForEvent('reloaded');
  await expect.poll(() => backend.visits).toEqual(['first\n', 'second\n']);
});
