import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { greet } from '../_util/e2e-client.ts';
import { startGateway } from '../_util/e2e-gateway.ts';
import { crlWith, reloadWith, replaceFile } from '../_util/e2e-reload.ts';
import { dialTunnel, receive, startTunnelBackend } from '../_util/e2e-tunnel.ts';
import { createFolder } from '../_util/observe-log.ts';

const lab = certificates();

interface Judge {
  readonly name: string;
  readonly listen: string;
  readonly ca?: string;
  readonly crl: string;
}

function services(backend: string, ...judges: readonly Judge[]): object {
  return {
    workers: 2,
    'drain-timeout': '300ms',
    services: judges.map(({ name, listen, ca = lab.ca.cert, crl }) => ({
      ...{ name, listen, protocol: 'tunnel', health: { type: 'none' }, backends: [{ address: backend }] },
      tls: { cert: lab.server.cert, key: lab.server.key, 'client-auth': { ca, crl } },
    })),
  };
}

/** A tunnel on which something has gone there and back. */
async function openTunnel(port: number, { cert, key }: LabIdentity): Promise<TLSSocket> {
  const socket = dialTunnel(port, { cert: readFileSync(cert), key: readFileSync(key) });
  await exchange(socket);
  return socket;
}

async function exchange(socket: TLSSocket): Promise<void> {
  socket.write('ping');
  await once(socket, 'data');
}

describe('a tunnel of a service that a reload has left out', () => {
  test('goes on, and ends when its client is revoked', async () => {
    await using folder = await createFolder();
    await using backend = await startTunnelBackend();
    const crl = folder.file('ca.crl');
    replaceFile(crl, crlWith());
    const [kept, left] = ['kept', 'left'].map((name) => ({ name, listen: '127.0.0.1:0', crl: folder.file('ca.crl') }));
    if (kept === undefined || left === undefined) throw new TypeError('both are there');
    await using gateway = await startGateway(services(backend.address, kept, left));
    const [gone, stays] = await Promise.all([
      openTunnel(gateway.port('left'), lab.revokedClient),
      openTunnel(gateway.port('left'), lab.client),
    ]);
    expect((await reloadWith(gateway, services(backend.address, kept))).isTaken).toBe(true);
    // Sessions of before hold on to it while others, which had it no more, come and go.
    expect((await reloadWith(gateway, services(backend.address, kept))).isTaken).toBe(true);
    await Promise.all([gone, stays].map(exchange));
    const ended = receive(gone);
    replaceFile(crl, crlWith(lab.revokedClient));
    await ended;
    await exchange(stays);
    stays.destroy();
  });

  test('goes on under another name, and ends when the service that took its place does not trust its client', async () => {
    await using folder = await createFolder();
    await using backend = await startTunnelBackend();
    const [empty, full] = [folder.file('empty.crl'), folder.file('full.crl')];
    replaceFile(empty, crlWith());
    replaceFile(full, crlWith(lab.revokedClient));
    const later = folder.file('later.crl');
    replaceFile(later, crlWith());
    await using gateway = await startGateway(
      services(backend.address, { name: 'old', listen: '127.0.0.1:0', crl: empty }),
    );
    const listen = `127.0.0.1:${gateway.port('old')}`;
    const [gone, goneLater] = await Promise.all([
      openTunnel(gateway.port('old'), lab.revokedClient),
      openTunnel(gateway.port('old'), lab.secondClient),
    ]);
    const ended = receive(gone);
    expect((await reloadWith(gateway, services(backend.address, { name: 'new', listen, crl: full }))).isTaken).toBe(
      true,
    );
    await ended;
    await exchange(goneLater);
    // By what it trusts two names and one change of its file later.
    expect((await reloadWith(gateway, services(backend.address, { name: 'newer', listen, crl: later }))).isTaken).toBe(
      true,
    );
    await exchange(goneLater);
    const endedLater = receive(goneLater);
    replaceFile(later, crlWith(lab.secondClient));
    await endedLater;
  });

  test('is refused when its client is revoked before its handshake', async () => {
    await using folder = await createFolder();
    await using backend = await startTunnelBackend();
    const crl = folder.file('ca.crl');
    replaceFile(crl, crlWith());
    const [kept, left] = [
      { name: 'kept', listen: '127.0.0.1:0', crl },
      { name: 'left', listen: '127.0.0.1:0', crl },
    ];
    await using gateway = await startGateway(services(backend.address, kept, left));
    const open = async (): Promise<Socket> => {
      const raw = connect({ host: '127.0.0.1', port: gateway.port('left') });
      await once(raw, 'connect');
      return raw;
    };
    const [revoked, trusted] = [await open(), await open()];
    await vi.waitFor(async () =>
      expect(await gateway.metric('icapgw_connections_active', { service: 'left' })).toBe(2),
    );
    await reloadWith(gateway, services(backend.address, kept));
    replaceFile(crl, crlWith(lab.revokedClient));
    await gateway.waitForEvent('certificates-read', ({ service }) => service === 'left');
    // Who answers has dealt with all it was told before.
    await (await fetch(`${gateway.adminUrl}/api/v1/connections`)).text();
    const secure = (socket: Socket, { cert, key }: LabIdentity): TLSSocket =>
      connectTls({ socket, rejectUnauthorized: false, cert: readFileSync(cert), key: readFileSync(key) });
    expect((await greet(secure(revoked, lab.revokedClient))).isServed).toBe(false);
    await exchange(secure(trusted, lab.client));
    trusted.destroy();
  });

  test('is told of when a drain cuts it', async () => {
    await using folder = await createFolder();
    await using backend = await startTunnelBackend();
    const crl = folder.file('ca.crl');
    replaceFile(crl, crlWith());
    const [kept, left] = [
      { name: 'kept', listen: '127.0.0.1:0', crl },
      { name: 'left', listen: '127.0.0.1:0', crl },
    ];
    await using gateway = await startGateway(services(backend.address, kept, left));
    const tunnels = await Promise.all([
      openTunnel(gateway.port('left'), lab.client),
      openTunnel(gateway.port('left'), lab.secondClient),
      openTunnel(gateway.port('kept'), lab.client),
    ]);
    await reloadWith(gateway, services(backend.address, kept));
    const ends = Promise.all(tunnels.map(receive));
    gateway.signal('SIGTERM');
    await ends;
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    const { cut, services: told } = await gateway.waitForEvent('drained');
    expect({ cut, told: (told as string[]).toSorted() }).toEqual({ cut: 3, told: ['kept 1', 'left 2'] });
  });
});
