import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HandshakeFailure } from '../../src/observe/labels.ts';
import { certificates } from '../_util/certificates.ts';
import { type RecordingBackend, startRecordingBackend } from '../_util/e2e-backend.ts';
import { readUntil } from '../_util/e2e-client.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';

let backend: RecordingBackend;
let gateway: RunningGateway;
/** A good client whose connection stands all the while. */
let bystander: TLSSocket;

beforeAll(async () => {
  const { server, ca, client } = certificates();
  backend = await startRecordingBackend();
  const service = (name: string, handshake: string): object => ({
    name,
    listen: '127.0.0.1:0',
    protocol: 'tunnel',
    tls: { cert: server.combined, 'client-auth': { ca: ca.cert } },
    timeouts: { handshake },
    health: { type: 'none' },
    backends: [{ address: `127.0.0.1:${backend.port}` }],
  });
  gateway = await startGateway({ workers: 1, services: [service('patient', '1h'), service('hasty', '50ms')] });
  bystander = connectTls({
    host: '127.0.0.1',
    port: gateway.port('patient'),
    ca: readFileSync(ca.cert),
    cert: readFileSync(client.cert),
    key: readFileSync(client.key),
    servername: 'localhost',
  });
  await once(bystander, 'secureConnect');
  await echo('first');
});
afterAll(async () => {
  bystander.destroy();
  await gateway[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

async function echo(word: string): Promise<void> {
  bystander.write(word);
  expect(await readUntil(bystander, `echo:${word}`)).toContain(`echo:${word}`);
}

async function dialRaw(service: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: gateway.port(service) });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Unlike `once`, content with an error on the way. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

function failures(service: string, reason: HandshakeFailure): Promise<number> {
  return gateway.metric('icapgw_tls_handshake_failures_total', { service, reason });
}

/** A ClientHello as node:tls sends it. */
async function clientHello(): Promise<Buffer> {
  await using listener = await startRecordingBackend();
  const socket = connectTls({ host: '127.0.0.1', port: listener.port });
  socket.on('error', () => socket.destroy());
  await closed(socket);
  return listener.received[0] ?? Buffer.alloc(0);
}

const GARBAGE = Buffer.from(Array.from({ length: 64 * 1024 }, (_, i) => (i * i + 7 * i + 128) % 256));

test.each<readonly [string, HandshakeFailure, Buffer]>([
  ['an HTTP request', 'plain-text', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['an ICAP request', 'plain-text', Buffer.from('OPTIONS icap://x/ ICAP/1.0\r\nHost: x\r\n\r\n')],
  ['64 KiB of garbage', 'plain-text', GARBAGE],
  ['a record of no known type', 'protocol', Buffer.from([0x63, 3, 3, 0, 4, 1, 2, 3, 4])],
])('%s on the TLS port is refused as %s, and the neighbour notices nothing', async (_, reason, bytes) => {
  const before = await failures('patient', reason);
  const connections = backend.received.length;
  const told = gateway.events.length;
  const socket = await dialRaw('patient');
  const answer = readUntil(socket, 'echo:');
  socket.write(bytes);
  expect(await answer).not.toContain('echo:');
  await gateway.waitForEvent('handshake-failed', (event) => gateway.events.indexOf(event) >= told);
  expect(gateway.events.slice(told)).toContainEqual(expect.objectContaining({ event: 'handshake-failed', reason }));
  expect(await failures('patient', reason)).toBe(before + 1);
  expect(backend.received.length).toBe(connections);
  await echo('still here');
});

test.each(['nothing at all', 'half a ClientHello', 'a ClientHello and no more'])(
  '%s and then silence ends with the handshake timeout',
  async (what) => {
    const hello = await clientHello();
    const bytes = what.startsWith('nothing') ? 0 : what.startsWith('half') ? hello.length >> 1 : hello.length;
    const before = await failures('hasty', 'timeout');
    const socket = await dialRaw('hasty');
    if (bytes > 0) socket.write(hello.subarray(0, bytes));
    socket.resume();
    await closed(socket);
    expect(await failures('hasty', 'timeout')).toBe(before + 1);
    await echo('still here');
  },
);

test('clients that connect and leave are counted as closed, and hold nothing', async () => {
  const before = await failures('patient', 'closed');
  const told = gateway.events.length;
  const sockets = await Promise.all(Array.from({ length: 50 }, () => dialRaw('patient')));
  const ends = sockets.map(closed);
  for (const socket of sockets) socket.resume().end();
  await Promise.all(ends);
  await gateway.waitForEvent('handshake-failed', (event) => gateway.events.indexOf(event) >= told);
  await expect.poll(() => failures('patient', 'closed')).toBe(before + 50);
  await expect.poll(() => gateway.metric('icapgw_connections_active', { service: 'patient' })).toBe(1);
  await echo('still here');
});

test('a handshake under way when the gateway is stopped is cut once the drain is over', async () => {
  const { server } = certificates();
  await using stopped = await startGateway({
    workers: 1,
    'drain-timeout': '50ms',
    services: [
      {
        name: 'patient',
        listen: '127.0.0.1:0',
        protocol: 'tunnel',
        tls: { cert: server.combined },
        health: { type: 'none' },
        backends: [{ address: `127.0.0.1:${backend.port}` }],
      },
    ],
  });
  const socket = connect({ host: '127.0.0.1', port: stopped.port('patient') });
  socket.on('error', () => socket.destroy());
  await stopped.waitForEvent('connection-accepted');
  stopped.signal('SIGTERM');
  expect(await stopped.exited).toEqual({ code: 0, signal: null });
  expect(stopped.events).toContainEqual(expect.objectContaining({ event: 'drained', cut: 1 }));
  expect(stopped.events.map(({ event }) => event)).not.toContain('worker-died');
});
