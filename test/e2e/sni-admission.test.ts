import { once } from 'node:events';
import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { sniService, startNamedBackend } from '../_util/e2e-sni.ts';
import { startTunnelBackend } from '../_util/e2e-tunnel.ts';
import { dialTls, type TlsVisit, visit } from '../_util/tls-client.ts';

const lab = certificates();

/** Two services behind one listener, with what is said of each beyond that. */
async function startPair(main: object, named: object): Promise<RunningGateway & AsyncDisposable> {
  const backend = await startNamedBackend('backend');
  const gateway = await startGateway({
    workers: 2,
    services: [
      sniService({ name: 'main', identity: lab.server, backend, more: main }),
      sniService({ name: 'named', identity: lab.rsaServer, backend, names: ['named.example'], more: named }),
    ],
  });
  const { [Symbol.asyncDispose]: disposeGateway } = gateway;
  return Object.assign(gateway, {
    async [Symbol.asyncDispose]() {
      await disposeGateway();
      await backend[Symbol.asyncDispose]();
    },
  });
}

async function open(gateway: RunningGateway, servername?: string): Promise<TLSSocket> {
  const socket = dialTls({ port: gateway.port('main'), more: servername === undefined ? {} : { servername } });
  await once(socket, 'data');
  return socket;
}

function call(gateway: RunningGateway, servername?: string): Promise<TlsVisit> {
  return visit({ port: gateway.port('main'), more: servername === undefined ? {} : { servername } });
}

function rejected(gateway: RunningGateway, service: string, reason: string): Promise<number> {
  return gateway.metric('icapgw_connections_rejected_total', { service, reason });
}

function active(gateway: RunningGateway, service: string): Promise<number> {
  return gateway.metric('icapgw_connections_active', { service });
}

test('each service has its own places: one that is full does not take those of the other', async () => {
  await using gateway = await startPair({ limits: { connections: 2 } }, { limits: { connections: 1 } });
  const held = await open(gateway, 'named.example');
  expect(await call(gateway, 'named.example')).toMatchObject({ text: '', error: 'ECONNRESET' });
  expect(await rejected(gateway, 'named', 'service-limit')).toBe(1);
  const others = [await open(gateway), await open(gateway)];
  expect([await active(gateway, 'main'), await active(gateway, 'named')]).toEqual([2, 1]);
  expect(await call(gateway)).toMatchObject({ text: '', error: 'ECONNRESET' });
  expect(await rejected(gateway, 'main', 'service-limit')).toBe(1);
  for (const socket of [held, ...others]) socket.destroy();
  await vi.waitFor(async () => expect([await active(gateway, 'main'), await active(gateway, 'named')]).toEqual([0, 0]));
  expect((await call(gateway, 'named.example')).text).toBe('served by backend\n');
});

test('the limits of the service that listens for one address hold whichever service is asked for', async () => {
  await using gateway = await startPair({ limits: { 'connections-per-source': 2 } }, {});
  const sockets = [await open(gateway, 'named.example'), await open(gateway)];
  expect(await call(gateway, 'named.example')).toMatchObject({ text: '', error: 'ECONNRESET' });
  expect(await rejected(gateway, 'main', 'source-limit')).toBe(1);
  sockets[0]?.destroy();
  await vi.waitFor(async () => expect(await active(gateway, 'named')).toBe(0));
  expect((await call(gateway, 'named.example')).text).toBe('served by backend\n');
  sockets[1]?.destroy();
});

test('the lists of the service that is asked for hold beside those of the one that listens', async () => {
  await using gateway = await startPair({}, { 'deny-from': ['127.0.0.0/8'] });
  expect((await call(gateway, 'named.example')).text).toBe('');
  expect(await rejected(gateway, 'named', 'denied')).toBe(1);
  expect((await call(gateway)).text).toBe('served by backend\n');
  await vi.waitFor(async () => expect(await active(gateway, 'main')).toBe(0));
});

test('who may not come to the service that listens comes to none', async () => {
  await using gateway = await startPair({ 'deny-from': ['127.0.0.0/8'] }, {});
  expect((await call(gateway, 'named.example')).text).toBe('');
  expect(await rejected(gateway, 'main', 'denied')).toBe(1);
});

test('a service that is asked for by name tells its backend who the client is', async () => {
  const headers: string[] = [];
  await using backend = await startTunnelBackend((socket) => {
    socket.once('data', (bytes) => {
      headers.push(bytes.toString());
      socket.end('thanks');
    });
  });
  await using gateway = await startPair(
    {},
    { backends: [{ address: backend.address }], 'proxy-protocol': { send: 'v1' } },
  );
  expect((await call(gateway, 'named.example')).text).toBe('thanks');
  expect(headers).toEqual([expect.stringMatching(/^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n$/)]);
});

test('behind a PROXY header the name is found as well', async () => {
  await using gateway = await startPair({ 'proxy-protocol': { accept: 'v1', from: ['127.0.0.0/8'] } }, {});
  const raw = connect(gateway.port('main'), '127.0.0.1');
  raw.write('PROXY TCP4 192.0.2.7 192.0.2.1 4000 443\r\n');
  expect(await visit({ port: 0, more: { socket: raw, servername: 'named.example' } })).toMatchObject({
    servedBy: 'rsa-server',
  });
  const { client } = await gateway.waitForEvent('connection-closed', ({ service }) => service === 'named');
  expect(client).toBe('192.0.2.7:4000');
});

test('a drain does not wait for who has not said whom it wants', async () => {
  await using gateway = await startPair({}, {});
  const socket = connect(gateway.port('main'), '127.0.0.1');
  socket.on('error', () => socket.destroy());
  await vi.waitFor(async () => expect(await active(gateway, 'main')).toBe(1));
  gateway.signal('SIGTERM');
  expect(await gateway.exited).toMatchObject({ code: 0 });
  expect(gateway.events.find(({ event }) => event === 'drained')).toMatchObject({ cut: 0 });
});

test('a service behind a tunnel may understand ICAP', async () => {
  await using gateway = await startPair({}, { protocol: 'icap', backends: [{ address: '127.0.0.1:9' }] });
  const socket = dialTls({ port: gateway.port('main'), more: { servername: 'named.example' } });
  await once(socket, 'secureConnect');
  socket.write('OPTIONS icap://named.example/ ICAP/1.0\r\nHost: named.example\r\n\r\n');
  const [answer] = await once(socket, 'data');
  expect(String(answer)).toMatch(/^ICAP\/1\.0 \d{3} /);
  socket.destroy();
});
