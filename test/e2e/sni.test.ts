import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecureVersion, TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { type Chop, choppedSocket } from '../_util/chopped-socket.ts';
import { inRecords } from '../_util/client-hello.ts';
import { getApi } from '../_util/e2e-ctl.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { sniService, startNamedBackend, trustLab } from '../_util/e2e-sni.ts';
import type { TunnelBackend } from '../_util/e2e-tunnel.ts';
import { dialTls, sendPlain, type TlsVisit, VERSIONS, visit } from '../_util/tls-client.ts';
import { type OpensslVisit, opensslVisit } from '../_util/tls-openssl.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-sni-'));

let main: TunnelBackend;
let secure: TunnelBackend;
let other: TunnelBackend;
let gateway: RunningGateway;
let port: number;

beforeAll(async () => {
  main = await startNamedBackend('main');
  secure = await startNamedBackend('secure');
  other = await startNamedBackend('other');
  gateway = await startGateway({
    workers: 2,
    services: [
      sniService({ name: 'main', identity: lab.server, backend: main, more: { timeouts: { handshake: '2s' } } }),
      sniService({
        ...{ name: 'secure', identity: lab.rsaServer, backend: secure, clientAuth: trustLab() },
        names: ['Secure.example', '*.secure.example'],
      }),
      sniService({
        ...{ name: 'other', identity: lab.selfSignedServer, backend: other, names: ['other.example'] },
        clientAuth: { ca: lab.otherCa.cert },
      }),
    ],
  });
  port = gateway.port('main');
});

afterAll(async () => {
  for (const each of [gateway, main, secure, other]) await each[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

interface Caller {
  readonly version: SecureVersion;
  readonly identity?: LabIdentity | undefined;
}

function call(servername: string | undefined, { version, identity }: Caller): Promise<TlsVisit> {
  return visit({
    port,
    version,
    ...(identity && { identity }),
    more: servername === undefined ? {} : { servername },
  });
}

describe.each(VERSIONS)('%s: a client gets', (version) => {
  test.each([
    ['the service that listens, without a name', undefined, undefined, 'server', 'main'],
    ['the service that listens, by a name that nobody has', 'unknown.example', undefined, 'server', 'main'],
    ['the service of its name', 'secure.example', lab.client, 'rsa-server', 'secure'],
    ['the service of its name, in another case', 'SECURE.EXAMPLE', lab.client, 'rsa-server', 'secure'],
    ['the service of the end of its name', 'a.b.Secure.Example', lab.client, 'rsa-server', 'secure'],
    ['the other one by the name of that', 'other.example', lab.otherClient, 'self-signed-server', 'other'],
  ] as const)('%s', async (_, servername, identity, servedBy, text) => {
    expect(await call(servername, { version, identity })).toMatchObject({ servedBy, text: `served by ${text}\n` });
  });
});

describe.each(VERSIONS)('%s: each service judges clients by its own rules', (version) => {
  const alert = version === 'TLSv1.2' ? 'HANDSHAKE_FAILURE' : 'CERTIFICATE_REQUIRED';

  test('one that wants certificates tells who has none', async () => {
    const { text, error } = await call('secure.example', { version });
    expect({ text, error }).toEqual({ text: '', error: expect.stringContaining(alert) });
  });

  test.each([
    ['secure.example', lab.otherClient, 'secure', 'unknown-ca'],
    ['other.example', lab.client, 'other', 'unknown-ca'],
    ['secure.example', lab.expiredClient, 'secure', 'expired'],
  ] as const)('%s refuses what the others trust', async (servername, identity, service, reason) => {
    const labels = { service, reason };
    const before = await gateway.metric('icapgw_tls_handshake_failures_total', labels);
    expect((await call(servername, { version, identity })).text).toBe('');
    expect(await gateway.metric('icapgw_tls_handshake_failures_total', labels)).toBe(before + 1);
  });
});

describe.each(VERSIONS)('%s: a session is worth nothing elsewhere:', (version) => {
  /** The greetings of a visit that gets a session, and of one by another name that offers it. */
  async function carry(
    from: { readonly servername: string | undefined; readonly identity?: LabIdentity | undefined },
    to: { readonly servername: string | undefined; readonly identity?: LabIdentity | undefined },
  ): Promise<readonly [OpensslVisit, OpensslVisit]> {
    const file = join(folder, 'session.pem');
    const first = await opensslVisit({ port, version, ...from, kept: file });
    return [first, await opensslVisit({ port, version, ...to, offered: file })];
  }

  test.each([
    ['of the open service, shown to one that wants a certificate', undefined, undefined, 'secure.example', 'main'],
    ['the same, got by an unknown name', 'unknown.example', undefined, 'secure.example', 'main'],
    ['of one service, shown to another that trusts others', 'secure.example', lab.client, 'other.example', 'secure'],
    ['the other way round', 'other.example', lab.otherClient, 'secure.example', 'other'],
  ] as const)('%s', async (_, servername, identity, elsewhere, greeting) => {
    const refused = { server: undefined, isReused: false };
    // Whoever has the session need not have the key.
    expect(await carry({ servername, identity }, { servername: elsewhere })).toEqual([
      { server: greeting, isReused: false },
      refused,
    ]);
    const [, second] = await carry({ servername, identity }, { servername: elsewhere, identity });
    expect(second.server).toBeUndefined();
  });

  test('of a service with certificates, shown to the open one, it takes a handshake of its own', async () => {
    const [, second] = await carry({ servername: 'secure.example', identity: lab.client }, { servername: undefined });
    expect(second).toEqual({ server: 'main', isReused: false });
  });

  test('of one service, shown with the certificate that another wants, it takes a handshake of its own', async () => {
    const to = { servername: 'other.example', identity: lab.otherClient };
    const [, second] = await carry({ servername: 'secure.example', identity: lab.client }, to);
    expect(second).toEqual({ server: 'other', isReused: false });
  });

  test('but at home it saves a handshake, also by another name of the same service', async () => {
    const [, second] = await carry(
      { servername: 'secure.example', identity: lab.client },
      { servername: 'b.secure.example' },
    );
    expect(second).toEqual({ server: 'secure', isReused: true });
  });
});

function chopped(servername: string, chop: Chop, identity?: LabIdentity): Promise<TlsVisit> {
  const socket = choppedSocket(port, chop);
  return visit({ port, ...(identity && { identity }), more: { socket, servername } });
}

describe('a hello', () => {
  test('names its service in packets of one byte', async () => {
    const bytes: Chop = (hello) => Array.from(hello, (byte) => Buffer.of(byte));
    expect(await chopped('secure.example', bytes, lab.client)).toMatchObject({
      servedBy: 'rsa-server',
      text: 'served by secure\n',
    });
    expect((await chopped('secure.example', bytes)).text).toBe('');
  });

  test('names its service in small records', async () => {
    const records: Chop = (hello) => [inRecords(hello, 40)];
    expect(await chopped('secure.example', records, lab.client)).toMatchObject({ text: 'served by secure\n' });
    expect((await chopped('secure.example', records)).text).toBe('');
  });

  test('that is too long to be looked through does not lead to the service that listens', async () => {
    const ALPNProtocols = Array.from({ length: 200 }, (_, index) => `${index}`.padEnd(200, 'x'));
    const labels = { service: 'main', reason: 'protocol' };
    const before = await gateway.metric('icapgw_tls_handshake_failures_total', labels);
    const { text } = await visit({ port, more: { servername: 'secure.example', ALPNProtocols } });
    expect(text).toBe('');
    expect(await gateway.metric('icapgw_tls_handshake_failures_total', labels)).toBe(before + 1);
    expect((await visit({ port, more: { servername: 'unknown.example', ALPNProtocols } })).text).toBe(
      'served by main\n',
    );
  });
});

describe('what never names a server is told of the service that listens:', () => {
  async function failures(reason: string): Promise<number> {
    return await gateway.metric('icapgw_tls_handshake_failures_total', { service: 'main', reason });
  }

  async function countOf(reason: string, act: () => Promise<unknown>): Promise<number> {
    const before = await failures(reason);
    await act();
    return (await failures(reason)) - before;
  }

  async function gone(act: (socket: Socket) => void): Promise<void> {
    const socket = connect(port, '127.0.0.1');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => socket.destroy());
    await once(socket, 'connect');
    act(socket);
    socket.resume();
    await closed;
  }

  test('one that says nothing', async () => {
    expect(await countOf('timeout', () => gone(() => {}))).toBe(1);
  });

  test('one that begins and says no more', async () => {
    expect(await countOf('timeout', () => gone((socket) => socket.write(Buffer.from('1603010200', 'hex'))))).toBe(1);
  });

  test('one that leaves', async () => {
    expect(await countOf('closed', () => gone((socket) => socket.end()))).toBe(1);
    expect(await countOf('closed', () => gone((socket) => socket.end(Buffer.from('160301', 'hex'))))).toBe(1);
  });

  test('one that breaks off', async () => {
    const before = await failures('reset');
    const socket = connect(port, '127.0.0.1');
    socket.write(Buffer.from('160301', 'hex'));
    const active = { service: 'main' };
    await vi.waitFor(async () => expect(await gateway.metric('icapgw_connections_active', active)).toBe(1));
    socket.resetAndDestroy();
    await vi.waitFor(async () => expect(await failures('reset')).toBe(before + 1));
  });

  test('one that does not speak TLS', async () => {
    expect(await countOf('plain-text', () => sendPlain(port, 'GET / HTTP/1.1\r\n\r\n'))).toBe(1);
  });
});

interface ListedConnection {
  readonly service: string;
  readonly subject: string | null;
}

describe('a connection belongs to the service that serves it', () => {
  async function open(servername: string, identity?: LabIdentity): Promise<TLSSocket> {
    const socket = dialTls({ port, ...(identity && { identity }), more: { servername } });
    await once(socket, 'data');
    return socket;
  }

  test('in the list of connections and in what is counted', async () => {
    const accepted = async (service: string): Promise<number> =>
      await gateway.metric('icapgw_connections_total', { service });
    const active = async (service: string): Promise<number> =>
      await gateway.metric('icapgw_connections_active', { service });
    await vi.waitFor(async () => expect([await active('main'), await active('secure')]).toEqual([0, 0]));
    const before = [await accepted('main'), await accepted('secure')];
    const socket = await open('secure.example', lab.client);
    const { connections } = (await getApi(gateway, 'connections')) as { connections: ListedConnection[] };
    expect(connections).toMatchObject([{ service: 'secure', subject: 'CN=client' }]);
    expect([await accepted('main'), await accepted('secure')]).toEqual([before[0], (before[1] ?? 0) + 1]);
    expect([await active('main'), await active('secure')]).toEqual([0, 1]);
    socket.destroy();
    await vi.waitFor(async () => expect(await active('secure')).toBe(0));
    expect(await gateway.metric('icapgw_connections_closed_total', { service: 'main', reason: 'client-reset' })).toBe(
      0,
    );
  });

  test('in the log, which also says who listens and what was asked for', async () => {
    const from = gateway.events.length;
    (await open('unknown.example')).destroy();
    (await open('x.secure.example', lab.client)).destroy();
    await vi.waitFor(() =>
      expect(gateway.events.slice(from).filter(({ event }) => event === 'connection-closed')).toHaveLength(2),
    );
    const told = gateway.events.slice(from);
    expect(told.filter(({ event }) => event === 'connection-accepted')).toMatchObject([
      { service: 'main', primary: 'main', serverName: 'unknown.example' },
      { service: 'secure', primary: 'main', serverName: 'x.secure.example' },
    ]);
    expect(told.filter(({ event }) => event === 'server-name-unknown')).toMatchObject([
      { service: 'main', serverName: 'unknown.example' },
    ]);
  });
});
