import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { getApi } from '../_util/e2e-ctl.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { reloadWith } from '../_util/e2e-reload.ts';
import { startNamedBackend } from '../_util/e2e-sni.ts';
import { startTunnelBackend, type TunnelBackend } from '../_util/e2e-tunnel.ts';
import { dialTls, sendPlain, type TlsVisit, VERSIONS, visit } from '../_util/tls-client.ts';
import { opensslVisit } from '../_util/tls-openssl.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-redirect-'));

let backend: TunnelBackend;
let sorry: TunnelBackend;
let gateway: RunningGateway;
let port: number;

function service(clientAuth: object, more: object = {}): object {
  return {
    name: 'guarded',
    listen: '127.0.0.1:0',
    protocol: 'tunnel',
    tls: { cert: lab.server.combined, 'client-auth': { ca: lab.ca.cert, ...clientAuth } },
    health: { type: 'none' },
    backends: [{ address: backend.address }],
    ...more,
  };
}

beforeAll(async () => {
  backend = await startNamedBackend('backend');
  sorry = await startNamedBackend('sorry');
  gateway = await startGateway({
    workers: 2,
    log: { access: '-' },
    services: [service({ crl: lab.crl, redirect: sorry.address })],
  });
  port = gateway.port('guarded');
});

afterAll(async () => {
  for (const each of [gateway, backend, sorry]) await each[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function call(identity: LabIdentity | undefined, more: object = {}): Promise<TlsVisit> {
  return visit({ port, ...(identity && { identity }), ...more });
}

const STRANGERS = [
  ['nothing', undefined, 'no-certificate'],
  ['the certificate of another CA', lab.otherClient, 'unknown-ca'],
  ['a certificate that has expired', lab.expiredClient, 'expired'],
  ['one that is revoked', lab.revokedClient, 'revoked'],
  ['one that is self-signed', lab.selfSignedClient, 'self-signed'],
  ['one for servers', lab.serverOnlyClient, 'wrong-purpose'],
] as const;

describe.each(VERSIONS)('%s: a client that shows', (version) => {
  test.each(STRANGERS)('%s is redirected, and counted for that', async (_, identity, reason) => {
    const labels = { service: 'guarded', reason };
    const before = await gateway.metric('icapgw_tls_handshake_failures_total', labels);
    expect((await call(identity, { version })).text).toBe('served by sorry\n');
    expect(await gateway.metric('icapgw_tls_handshake_failures_total', labels)).toBe(before + 1);
  });

  test('the right one is not', async () => {
    expect((await call(lab.client, { version })).text).toBe('served by backend\n');
  });

  test.each(STRANGERS.slice(0, 2))('%s is redirected with its session, too', async (_, identity) => {
    const file = join(folder, 'session.pem');
    const stranger = { port, version, servername: undefined };
    const first = await opensslVisit({ ...stranger, identity, kept: file });
    expect(first).toEqual({ server: 'sorry', isReused: false });
    expect(await opensslVisit({ ...stranger, offered: file })).toEqual({ server: 'sorry', isReused: true });
  });

  test('the right one gets to the backend with its session, too', async () => {
    const file = join(folder, 'session.pem');
    const known = { port, version, servername: undefined };
    expect(await opensslVisit({ ...known, identity: lab.client, kept: file })).toMatchObject({ server: 'backend' });
    expect(await opensslVisit({ ...known, offered: file })).toEqual({ server: 'backend', isReused: true });
  });
});

describe('a handshake that fails is not redirected', () => {
  test('because it is no TLS, or of a version that is refused', async () => {
    const before = await gateway.metric('icapgw_connections_total', { service: 'guarded redirect' });
    await sendPlain(port, 'GET / HTTP/1.1\r\n\r\n');
    const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    expect((await call(undefined, { more: old })).text).toBe('');
    expect(await gateway.metric('icapgw_connections_total', { service: 'guarded redirect' })).toBe(before);
  });

  test('because the client leaves', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    socket.end(Buffer.from('160301', 'hex'));
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
    const lines = gateway.events.filter(({ event }) => event === 'connection-redirected');
    expect(lines.filter((line) => 'reason' in line && line.reason === 'closed')).toEqual([]);
  });
});

describe('a redirected connection', () => {
  const active = (name: string): Promise<number> => gateway.metric('icapgw_connections_active', { service: name });

  test('belongs to a service of its own, under its number', async () => {
    const from = gateway.events.length;
    const socket = dialTls({ port, identity: lab.otherClient });
    await once(socket, 'data');
    const own = { service: 'guarded redirect', subject: 'CN=other-client', backend: sorry.address, activity: 'tunnel' };
    // Those of the tests before may still be on their way out.
    await vi.waitFor(async () => {
      const { connections } = (await getApi(gateway, 'connections')) as { connections: readonly object[] };
      expect(connections).toMatchObject([own]);
      expect([await active('guarded'), await active('guarded redirect')]).toEqual([0, 1]);
    });
    socket.destroy();
    await vi.waitFor(async () => expect(await active('guarded redirect')).toBe(0));
    const { connection: number } = await gateway.waitForEvent(
      'connection-redirected',
      (line) => gateway.events.indexOf(line) >= from,
    );
    await gateway.waitForEvent('connection-closed', ({ connection }) => connection === number);
    const told = gateway.events.filter((line) => 'connection' in line && line.connection === number);
    expect(told).toMatchObject([
      { event: 'connection-accepted', service: 'guarded' },
      { event: 'connection-redirected', service: 'guarded', reason: 'unknown-ca', subject: 'CN=other-client' },
      { event: 'backend-connected', service: 'guarded redirect', backend: sorry.address },
      { event: 'connection-closed', service: 'guarded redirect' },
    ]);
  });

  test('has two lines in the access log: why it was turned away, and what became of it', async () => {
    await call(lab.expiredClient);
    const lines = await vi.waitUntil(() => {
      const own = gateway.stdout.split('\n').filter((line) => line.includes('CN=expired-client'));
      return own.length >= 2 && own.length % 2 === 0 ? own.slice(-2) : undefined;
    });
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { service: 'guarded', backend: null, reason: 'tls-expired', bytesOut: 0 },
      { service: 'guarded redirect', backend: sorry.address, bytesOut: 16 },
    ]);
  });

  test('shows in the status, where it was refused and where it went', async () => {
    const status = (await getApi(gateway, 'status')) as { services: readonly object[]; refusals: readonly object[] };
    expect(status.services).toMatchObject([
      { name: 'guarded', behind: null, backends: [{ address: backend.address }] },
      { name: 'guarded redirect', listen: [], behind: { service: 'guarded', names: [] } },
    ]);
    expect(status.refusals).toContainEqual(
      expect.objectContaining({ event: 'connection-redirected', service: 'guarded' }),
    );
  });

  test('counts once in each of its two services', async () => {
    const sum = async (name: string): Promise<number> =>
      (await gateway.metric('icapgw_tls_handshakes_total', { service: name })) +
      (await gateway.metric('icapgw_tls_handshake_failures_total', { service: name }));
    await vi.waitFor(async () => expect(await active('guarded redirect')).toBe(0));
    expect(await gateway.metric('icapgw_connections_total', { service: 'guarded' })).toBe(await sum('guarded'));
    const redirected = await gateway.metric('icapgw_connections_total', { service: 'guarded redirect' });
    expect(await gateway.metric('icapgw_connections_closed_total', { service: 'guarded redirect' })).toBe(redirected);
  });
});

describe('where it goes', () => {
  async function startElsewhere(clientAuth: object, more: object = {}): Promise<RunningGateway> {
    return await startGateway({ workers: 1, services: [service(clientAuth, more)] });
  }

  const greet = async (of: RunningGateway): Promise<string> => (await visit({ port: of.port('guarded') })).text;

  test('is the first address that is up, in their order', async () => {
    await using second = await startNamedBackend('second');
    const redirect = ['127.0.0.1:9', sorry.address, second.address];
    await using elsewhere = await startElsewhere({ redirect });
    expect([await greet(elsewhere), await greet(elsewhere)]).toEqual(['served by sorry\n', 'served by sorry\n']);
  });

  test('is each in turn, where that is asked for', async () => {
    await using second = await startNamedBackend('second');
    const clientAuth = { redirect: [sorry.address, second.address], 'redirect-balance': 'round-robin' };
    await using elsewhere = await startElsewhere(clientAuth);
    const both = [await greet(elsewhere), await greet(elsewhere)];
    expect(both.toSorted()).toEqual(['served by second\n', 'served by sorry\n']);
  });

  test('is never a backend: with nobody there the client is reset', async () => {
    const served = backend.served();
    await using elsewhere = await startElsewhere({ redirect: '127.0.0.1:9' });
    expect(await visit({ port: elsewhere.port('guarded') })).toMatchObject({ text: '', error: 'ECONNRESET' });
    expect(backend.served()).toBe(served);
    const failed = { service: 'guarded redirect', backend: '127.0.0.1:9', result: 'refused' };
    expect(await elsewhere.metric('icapgw_backend_connections_total', failed)).toBe(1);
  });

  test('is checked, and nothing to be ready for', async () => {
    const health = { type: 'tcp', interval: '100ms', jitter: '0%', fall: 1 };
    await using elsewhere = await startElsewhere({ redirect: '127.0.0.1:9' }, { health });
    await elsewhere.waitForEvent('backend-state', ({ service, to }) => service === 'guarded redirect' && to === 'down');
    expect((await fetch(`${elsewhere.adminUrl}/readyz`)).status).toBe(200);
  });

  test('is never for clients that pass: with no backend they are reset', async () => {
    await using elsewhere = await startElsewhere(
      { redirect: sorry.address },
      { backends: [{ address: '127.0.0.1:9' }] },
    );
    const known = { port: elsewhere.port('guarded'), identity: lab.client };
    expect(await visit(known)).toMatchObject({ text: '', error: 'ECONNRESET' });
    expect(await greet(elsewhere)).toBe('served by sorry\n');
  });

  test('hears who the client is, where the backends do', async () => {
    const headers: string[] = [];
    await using listener = await startTunnelBackend((socket) => {
      socket.once('data', (bytes) => {
        headers.push(bytes.toString());
        socket.end('thanks');
      });
    });
    const more = { 'proxy-protocol': { send: 'v1' } };
    await using elsewhere = await startElsewhere({ redirect: listener.address }, more);
    expect(await greet(elsewhere)).toBe('thanks');
    expect(headers).toEqual([expect.stringMatching(/^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n$/)]);
  });

  test('has places of its own, and does not take those of clients that pass', async () => {
    await using elsewhere = await startElsewhere({ redirect: sorry.address }, { limits: { connections: 1 } });
    const stranger = dialTls({ port: elsewhere.port('guarded') });
    await once(stranger, 'data');
    const known = { port: elsewhere.port('guarded'), identity: lab.client };
    expect((await visit(known)).text).toBe('served by backend\n');
    const own = { service: 'guarded' };
    await vi.waitFor(async () => expect(await elsewhere.metric('icapgw_connections_active', own)).toBe(0));
    expect(await greet(elsewhere)).toBe('');
    const labels = { service: 'guarded redirect', reason: 'service-limit' };
    expect(await elsewhere.metric('icapgw_connections_rejected_total', labels)).toBe(1);
    stranger.destroy();
  });
});

describe('a reload', () => {
  const config = (...services: readonly object[]): object => ({ workers: 2, 'drain-timeout': '300ms', services });
  const greet = async (of: RunningGateway, more: object = {}): Promise<string> =>
    (await visit({ port: of.port('guarded'), more })).text;

  test('begins to redirect, elsewhere, and no more; who was redirected stays', async () => {
    await using second = await startNamedBackend('second');
    await using reloaded = await startGateway(config(service({})));
    expect(await greet(reloaded)).toBe('');
    const take = async (clientAuth: object): Promise<void> => {
      expect((await reloadWith(reloaded, config(service(clientAuth)))).isTaken).toBe(true);
    };
    await take({ redirect: sorry.address });
    const stays = dialTls({ port: reloaded.port('guarded') });
    await once(stays, 'data');
    await take({ redirect: second.address });
    expect(await greet(reloaded)).toBe('served by second\n');
    await take({});
    expect(await greet(reloaded)).toBe('');
    expect(stays.destroyed).toBe(false);
    expect(await getApi(reloaded, 'connections')).toMatchObject({ connections: [{ service: 'guarded redirect' }] });
    stays.destroy();
  });

  test('that trusts others redirects those who are new, and ends those who had been trusted', async () => {
    await using reloaded = await startGateway(config(service({ redirect: sorry.address })));
    const known = dialTls({ port: reloaded.port('guarded'), identity: lab.client });
    await once(known, 'data');
    const ended = new Promise((resolve) => known.once('close', resolve));
    const other = service({ ca: lab.otherCa.cert, redirect: sorry.address });
    expect((await reloadWith(reloaded, config(other))).isTaken).toBe(true);
    await ended;
    const again = { port: reloaded.port('guarded'), identity: lab.client };
    expect((await visit(again)).text).toBe('served by sorry\n');
  });

  test('of a service that is reached by name: each service redirects to its own addresses', async () => {
    await using second = await startNamedBackend('second');
    const named = {
      ...service({ redirect: second.address }),
      ...{ name: 'named', listen: undefined, sni: { of: 'guarded', names: 'named.example' } },
    };
    await using reloaded = await startGateway(config(service({ redirect: sorry.address }), named));
    expect(await greet(reloaded)).toBe('served by sorry\n');
    expect(await greet(reloaded, { servername: 'named.example' })).toBe('served by second\n');
    expect(await reloaded.metric('icapgw_connections_total', { service: 'named redirect' })).toBe(1);
  });
});

test('a drain lets a redirected connection finish', async () => {
  await using draining = await startGateway({ workers: 1, services: [service({ redirect: sorry.address })] });
  const stranger = dialTls({ port: draining.port('guarded') });
  await once(stranger, 'data');
  draining.signal('SIGTERM');
  await draining.waitForEvent('draining');
  expect(stranger.destroyed).toBe(false);
  stranger.end();
  expect(await draining.exited).toMatchObject({ code: 0 });
  expect(await draining.waitForEvent('drained')).toMatchObject({ cut: 0 });
});
