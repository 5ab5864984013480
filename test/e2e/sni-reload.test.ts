import { once } from 'node:events';
import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { getApi } from '../_util/e2e-ctl.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { crlWith, reloadWith, replaceFile } from '../_util/e2e-reload.ts';
import { type SniServiceOptions, sniService } from '../_util/e2e-sni.ts';
import { receive, startTunnelBackend, type TunnelBackend } from '../_util/e2e-tunnel.ts';
import { createFolder } from '../_util/observe-log.ts';
import { dialTls } from '../_util/tls-client.ts';

const lab = certificates();

type Services = (backend: TunnelBackend) => readonly object[];

interface Rig extends AsyncDisposable {
  readonly gateway: RunningGateway;
  reload(services: Services): Promise<void>;
  open(servername: string, identity?: LabIdentity): Promise<TLSSocket>;
  /** Who serves this name: the common name of the certificate. */
  who(servername: string): Promise<string | undefined>;
}

function main(backend: TunnelBackend, more: object = {}): object {
  return sniService({ name: 'main', identity: lab.server, backend, more });
}

function named(backend: TunnelBackend, options: Partial<SniServiceOptions>): object {
  return sniService({ name: 'named', identity: lab.rsaServer, backend, names: ['named.example'], ...options });
}

async function startRig(services: Services): Promise<Rig> {
  const backend = await startTunnelBackend();
  const configOf = (of: Services): object => ({ workers: 2, 'drain-timeout': '300ms', services: of(backend) });
  const gateway = await startGateway(configOf(services));
  const open = async (servername: string, identity?: LabIdentity): Promise<TLSSocket> => {
    const socket = dialTls({ port: gateway.port('main'), ...(identity && { identity }), more: { servername } });
    await exchange(socket);
    return socket;
  };
  return {
    gateway,
    open,
    async reload(next) {
      expect((await reloadWith(gateway, configOf(next))).isTaken).toBe(true);
    },
    async who(servername) {
      const socket = await open(servername);
      const subject = socket.getPeerX509Certificate()?.subject;
      socket.destroy();
      return subject?.replace(/^CN=/, '');
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
    },
  };
}

async function exchange(socket: TLSSocket): Promise<void> {
  socket.write('ping');
  await once(socket, 'data');
}

describe('a reload', () => {
  test('adds services that are asked for by name, gives them other names, and takes them away', async () => {
    await using rig = await startRig((backend) => [main(backend)]);
    expect(await rig.who('named.example')).toBe('server');
    await rig.reload((backend) => [main(backend), named(backend, {})]);
    expect(await rig.who('named.example')).toBe('rsa-server');
    await rig.reload((backend) => [main(backend), named(backend, { names: ['other.example'] })]);
    expect([await rig.who('named.example'), await rig.who('other.example')]).toEqual(['server', 'rsa-server']);
    await rig.reload((backend) => [main(backend)]);
    expect(await rig.who('other.example')).toBe('server');
  });

  test('takes a service to another certificate, under the sessions that it has', async () => {
    await using rig = await startRig((backend) => [main(backend), named(backend, {})]);
    const session = await rig.open('named.example');
    await rig.reload((backend) => [main(backend), named(backend, { identity: lab.selfSignedServer })]);
    expect(await rig.who('named.example')).toBe('self-signed-server');
    await exchange(session);
    session.destroy();
  });

  test('takes a service from one listener to another', async () => {
    const other = (backend: TunnelBackend): object =>
      sniService({ name: 'other', identity: lab.selfSignedServer, backend });
    await using rig = await startRig((backend) => [main(backend), other(backend), named(backend, {})]);
    const sni = { of: 'other', names: ['named.example'] };
    await rig.reload((backend) => [main(backend), other(backend), named(backend, { more: { sni } })]);
    expect(await rig.who('named.example')).toBe('server');
    const port = rig.gateway.port('other');
    const socket = dialTls({ port, more: { servername: 'named.example' } });
    await exchange(socket);
    expect(socket.getPeerX509Certificate()?.subject).toBe('CN=rsa-server');
    socket.destroy();
  });

  test('with a service that listens and one behind it: from its first connection each name has its own', async () => {
    const fresh = (backend: TunnelBackend): readonly object[] => [
      sniService({ name: 'fresh', identity: lab.selfSignedServer, backend }),
      named(backend, { more: { sni: { of: 'fresh', names: ['named.example'] } } }),
    ];
    await using rig = await startRig((backend) => [main(backend)]);
    await rig.reload((backend) => [main(backend), ...fresh(backend)]);
    const socket = dialTls({ port: rig.gateway.port('fresh'), more: { servername: 'named.example' } });
    await exchange(socket);
    expect(socket.getPeerX509Certificate()?.subject).toBe('CN=rsa-server');
    socket.destroy();
  });

  test('leaves the sessions of a service that it takes away to their end', async () => {
    await using rig = await startRig((backend) => [main(backend), named(backend, {})]);
    const session = await rig.open('named.example');
    await rig.reload((backend) => [main(backend)]);
    await exchange(session);
    expect(await getApi(rig.gateway, 'connections')).toMatchObject({ connections: [{ service: 'named' }] });
    session.destroy();
  });

  test('that gives a name to another service ends the sessions of clients which that one does not trust', async () => {
    const ca = { clientAuth: { ca: lab.ca.cert } };
    await using rig = await startRig((backend) => [main(backend), named(backend, ca)]);
    const stays = await rig.open('named.example', lab.client);
    await rig.reload((backend) => [main(backend), named(backend, { ...ca, name: 'renamed' })]);
    await exchange(stays);
    const ended = receive(stays);
    const other = { clientAuth: { ca: lab.otherCa.cert }, name: 'again' };
    await rig.reload((backend) => [main(backend), named(backend, other)]);
    await ended;
  });

  test('while a client is about to name its server: what holds then is what counts', async () => {
    await using rig = await startRig((backend) => [main(backend), named(backend, {})]);
    const raw = connect(rig.gateway.port('main'), '127.0.0.1');
    await once(raw, 'connect');
    await rig.reload((backend) => [main(backend), named(backend, { identity: lab.selfSignedServer })]);
    const socket = dialTls({ port: 0, more: { socket: raw, servername: 'named.example' } });
    await exchange(socket);
    expect(socket.getPeerX509Certificate()?.subject).toBe('CN=self-signed-server');
    socket.destroy();
  });
});

describe('trust that is withdrawn', () => {
  test('from one service ends its sessions, and those of no other', async () => {
    await using folder = await createFolder();
    const [crl, mainCrl] = [folder.file('named.crl'), folder.file('main.crl')];
    replaceFile(crl, crlWith());
    replaceFile(mainCrl, crlWith());
    await using rig = await startRig((backend) => [
      sniService({ name: 'main', identity: lab.server, backend, clientAuth: { ca: lab.ca.cert, crl: mainCrl } }),
      named(backend, { clientAuth: { ca: lab.ca.cert, crl } }),
    ]);
    const gone = await rig.open('named.example', lab.revokedClient);
    const stays = [await rig.open('named.example', lab.client), await rig.open('unknown.example', lab.revokedClient)];
    const ended = receive(gone);
    replaceFile(crl, crlWith(lab.revokedClient));
    await ended;
    for (const socket of stays) await exchange(socket);
    for (const socket of stays) socket.destroy();
  });
});
