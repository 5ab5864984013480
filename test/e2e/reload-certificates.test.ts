import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { greet, greetWithOpenssl, readUntil } from '../_util/e2e-client.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { icapService } from '../_util/e2e-icap.ts';
import { createSwappedIdentity, crlWith, laterEvent, reloadWith, replaceFile, swapLink } from '../_util/e2e-reload.ts';
import { dialTunnel, receive, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';
import { reqmod } from '../_util/icap-script-message.ts';
import { createIcapVisitor } from '../_util/icap-visitor.ts';
import { createFolder } from '../_util/observe-log.ts';

const lab = certificates();

function fingerprintOf({ cert }: LabIdentity): string {
  return new X509Certificate(readFileSync(cert)).fingerprint256;
}

/** Which certificate a new connection is shown that is served. */
async function shownAt(port: number): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
  socket.write('x');
  await once(socket, 'data');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

function identityOf({ cert, key }: LabIdentity): { readonly cert: Buffer; readonly key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

describe('a certificate that is renewed on the disk', () => {
  test('is shown to new clients within a second, under load, and no handshake fails', async () => {
    await using folder = await createFolder();
    await using backend = await startTunnelBackend();
    const served = createSwappedIdentity(folder.path, lab.server);
    const tls = { cert: served.cert, key: served.key, 'client-auth': { mode: 'none' } };
    await using gateway = await startGateway(tunnelConfig([{ address: backend.address }], { tls }));
    const port = gateway.port('tunnel');
    const failures: unknown[] = [];
    const seen: { readonly atMs: number; readonly fingerprint: string }[] = [];
    let isOver = false;
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!isOver) {
          const fromMs = performance.now();
          const fingerprint = await shownAt(port).catch((error: unknown) => failures.push(error));
          if (typeof fingerprint === 'string') seen.push({ atMs: fromMs, fingerprint });
        }
      }),
    );
    try {
      for (const next of [lab.rsaServer, lab.selfSignedServer, lab.server]) {
        await vi.waitFor(() => expect(seen.length).toBeGreaterThan(20));
        served.swap(next);
        const swappedMs = performance.now();
        await vi.waitFor(() => expect(seen.at(-1)?.fingerprint).toBe(fingerprintOf(next)), { timeout: 5000 });
        // Those that began a second after the swap, and all that came in between them, were shown the new one.
        await vi.waitFor(() => expect(seen.at(-1)?.atMs).toBeGreaterThan(swappedMs + 1200), { timeout: 5000 });
        const late = seen.filter(({ atMs }) => atMs > swappedMs + 1000);
        expect(new Set(late.map(({ fingerprint }) => fingerprint))).toEqual(new Set([fingerprintOf(next)]));
        seen.length = 0;
      }
    } finally {
      isOver = true;
      await load;
    }
    expect(failures).toEqual([]);
    expect(gateway.events.filter(({ event }) => event === 'certificates-read')).toHaveLength(3);
    expect(gateway.events.filter(({ event }) => event === 'handshake-failed')).toEqual([]);
    expect(gateway.events.filter(({ event }) => event === 'reloaded')).toEqual([]);
  });

  test('as a Kubernetes secret, whose folder is swapped by a link', async () => {
    await using folder = await createFolder();
    await using backend = await startTunnelBackend();
    for (const [name, identity] of [
      ['..2026_01', lab.server],
      ['..2026_02', lab.rsaServer],
    ] as const) {
      mkdirSync(folder.file(name));
      copyFileSync(identity.cert, join(folder.file(name), 'tls.crt'));
      copyFileSync(identity.key, join(folder.file(name), 'tls.key'));
    }
    swapLink(folder.file('..data'), '..2026_01');
    for (const name of ['tls.crt', 'tls.key']) swapLink(folder.file(name), `..data/${name}`);
    const tls = { cert: folder.file('tls.crt'), key: folder.file('tls.key'), 'client-auth': { mode: 'none' } };
    await using gateway = await startGateway(tunnelConfig([{ address: backend.address }], { tls }));
    const port = gateway.port('tunnel');
    expect(await shownAt(port)).toBe(fingerprintOf(lab.server));
    swapLink(folder.file('..data'), '..2026_02');
    await gateway.waitForEvent('certificates-read');
    await vi.waitFor(async () => expect(await shownAt(port)).toBe(fingerprintOf(lab.rsaServer)));
    expect(gateway.events.filter(({ event }) => event === 'certificates-failed')).toEqual([]);
  });

  test('before its key is told of once, and taken when the key has come', async () => {
    await using folder = await createFolder();
    await using backend = await startTunnelBackend();
    const served = createSwappedIdentity(folder.path, lab.server);
    const tls = { cert: served.cert, key: served.key, 'client-auth': { mode: 'none' } };
    await using gateway = await startGateway(tunnelConfig([{ address: backend.address }], { tls }));
    const port = gateway.port('tunnel');
    replaceFile(served.cert, readFileSync(lab.rsaServer.cert));
    expect((await gateway.waitForEvent('certificates-failed')).detail).toContain('key');
    // It is looked at again and again meanwhile.
    const looks = vi.fn();
    await vi.waitFor(async () => {
      looks();
      expect(await shownAt(port)).toBe(fingerprintOf(lab.server));
      expect(looks.mock.calls.length).toBeGreaterThan(30);
    }, 5000);
    replaceFile(served.key, readFileSync(lab.rsaServer.key));
    await gateway.waitForEvent('certificates-read');
    expect(await shownAt(port)).toBe(fingerprintOf(lab.rsaServer));
    expect(gateway.events.filter(({ event }) => event === 'certificates-failed')).toHaveLength(1);
  });

  test('is told of as the one in force after a reload that names other files', async () => {
    await using folder = await createFolder();
    await using backend = await startTunnelBackend();
    const served = createSwappedIdentity(folder.path, lab.server);
    const config = ({ cert, key }: { readonly cert: string; readonly key: string }): object =>
      tunnelConfig([{ address: backend.address }], { tls: { cert, key, 'client-auth': { mode: 'none' } } });
    await using gateway = await startGateway(config(served));
    const port = gateway.port('tunnel');
    await reloadWith(gateway, config(lab.rsaServer));
    expect(await shownAt(port)).toBe(fingerprintOf(lab.rsaServer));
    // Nobody looks at the old files any more.
    served.swap(lab.selfSignedServer);
    await reloadWith(gateway, config(served));
    expect(await shownAt(port)).toBe(fingerprintOf(lab.selfSignedServer));
    expect(gateway.events.filter(({ event }) => event === 'certificates-read')).toEqual([]);
  });
});

/** A gateway whose clients need a certificate that is on no list; `list` begins with nobody on it. */
async function startJudging(list: string, backend: string): Promise<RunningGateway> {
  replaceFile(list, crlWith());
  return await startGateway({ workers: 2, services: judging(list, backend, lab.ca.cert) });
}

function judging(crl: string | undefined, backend: string, ca: string | readonly string[]): readonly object[] {
  const tls = { cert: lab.server.cert, key: lab.server.key, 'client-auth': { ca, ...(crl && { crl }) } };
  const backends = [{ name: 'first', address: backend }];
  return [
    icapService('icap', backends, { tls, health: { type: 'none' } }),
    { ...{ name: 'tunnel', listen: '127.0.0.1:0', protocol: 'tunnel', backends }, tls, health: { type: 'none' } },
  ];
}

/** A tunnel on which something has gone there and back. */
async function openTunnel(port: number, identity: LabIdentity): Promise<TLSSocket> {
  const socket = dialTunnel(port, identityOf(identity));
  socket.write('OPTIONS');
  await once(socket, 'data');
  return socket;
}

/** Sends back what comes, behind `echo:`, and answers ICAP requests when the body of one has ended. */
const SERVER = (socket: Socket): void => {
  let received = '';
  socket.on('end', () => socket.end());
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    if (!received.startsWith('REQMOD')) {
      socket.write(Buffer.concat([Buffer.from('echo:'), chunk]));
    } else if (received.endsWith('0\r\n\r\n')) {
      received = '';
      socket.write('ICAP/1.0 204 No Content\r\nISTag: "one"\r\nEncapsulated: null-body=0\r\n\r\n');
    }
  });
};

/** The head of a request whose body is yet to come. */
const HEAD = reqmod({ lines: ['Allow: 204'], body: 'x' })
  .toString('latin1')
  .replace(/1\r\nx\r\n0\r\n\r\n$/, '');
const BODY = '4\r\nbody\r\n0\r\n\r\n';

describe('a client whose trust is withdrawn', () => {
  test.each(['by a list on the disk', 'by a reload that names a list', 'by a reload without its CA'])(
    '%s',
    async (how) => {
      await using folder = await createFolder();
      await using backend = await startTunnelBackend(SERVER);
      const list = folder.file('ca.crl');
      const both = folder.file('both.pem');
      // The one that goes is issued by the other CA where it is the CA that goes.
      const isCa = how.endsWith('CA');
      const gone = isCa ? lab.otherClient : lab.revokedClient;
      const stays = lab.client;
      replaceFile(both, Buffer.concat([readFileSync(lab.ca.cert), readFileSync(lab.otherCa.cert)]));
      await using gateway = isCa
        ? await startGateway({ workers: 2, services: judging(undefined, backend.address, both) })
        : await startJudging(list, backend.address);
      const withdraw = async (): Promise<void> => {
        const from = gateway.events.length;
        if (isCa) {
          await reloadWith(gateway, { workers: 2, services: judging(undefined, backend.address, lab.ca.cert) });
        } else if (how.endsWith('disk')) {
          replaceFile(list, crlWith(lab.revokedClient));
          await laterEvent(gateway, from, ['certificates-read']);
        } else {
          const named = folder.file('another.crl');
          replaceFile(named, crlWith(lab.revokedClient));
          await reloadWith(gateway, { workers: 2, services: judging(named, backend.address, lab.ca.cert) });
        }
      };
      const [icap, tunnel] = [gateway.port('icap'), gateway.port('tunnel')];
      const [goneTunnel, staysTunnel] = await Promise.all([openTunnel(tunnel, gone), openTunnel(tunnel, stays)]);
      // One that is idle, and one in the middle of a request.
      const idle = dialTunnel(icap, identityOf(gone));
      idle.write(HEAD + BODY);
      expect(await readUntil(idle, '\r\n\r\n')).toContain('ICAP/1.0 204');
      const busy = dialTunnel(icap, identityOf(gone));
      busy.write(HEAD);
      await vi.waitFor(async () =>
        expect(await gateway.metric('icapgw_connections_active', { service: 'icap' })).toBe(2),
      );
      await using staying = createIcapVisitor({ port: icap, path: '/scan', tls: stays });
      expect((await staying.visit('harmless', { allow204: true })).verdict).toBe('allowed');
      const session = folder.file('session');
      const shown = ['-cert', gone.cert, '-key', gone.key];
      await greetWithOpenssl(tunnel, '-tls1_2', ...shown, '-sess_out', session);
      const ends = Promise.all([receive(goneTunnel), receive(idle)]);

      await withdraw();
      await ends;
      expect(goneTunnel.readyState === 'closed' || goneTunnel.readableEnded || goneTunnel.destroyed).toBe(true);
      busy.write(BODY);
      const answer = await receive(busy);
      expect(answer.toString('latin1')).toContain('ICAP/1.0 204');
      expect(answer.toString('latin1')).toContain('Connection: close');

      // Neither anew nor with the session of before.
      for (const args of [['-tls1_2'], ['-tls1_3'], ['-tls1_2', '-sess_in', session]]) {
        const { isServed, output } = await greetWithOpenssl(tunnel, ...args, ...shown);
        expect(isServed, output).toBe(false);
      }
      staysTunnel.write('still here');
      expect(String((await once(staysTunnel, 'data'))[0])).toBe('echo:still here');
      staysTunnel.destroy();
      expect((await staying.visit('harmless', { allow204: true })).verdict).toBe('allowed');
      expect(staying.connectionCount).toBe(1);
      const closed = { reason: 'trust-withdrawn' };
      expect(await gateway.metric('icapgw_connections_closed_total', { service: 'tunnel', ...closed })).toBe(1);
      expect(await gateway.metric('icapgw_connections_closed_total', { service: 'icap', ...closed })).toBe(2);
    },
  );

  test('between its connection and its handshake is refused', async () => {
    await using folder = await createFolder();
    await using backend = await startTunnelBackend(SERVER);
    const list = folder.file('ca.crl');
    await using gateway = await startJudging(list, backend.address);
    const raw = connect({ host: '127.0.0.1', port: gateway.port('tunnel') });
    await once(raw, 'connect');
    await vi.waitFor(async () =>
      expect(await gateway.metric('icapgw_connections_active', { service: 'tunnel' })).toBe(1),
    );
    replaceFile(list, crlWith(lab.revokedClient));
    // Each service looks for itself.
    await gateway.waitForEvent('certificates-read', ({ service }) => service === 'tunnel');
    // Who answers has dealt with all it was told before.
    await (await fetch(`${gateway.adminUrl}/api/v1/connections`)).text();
    const socket = connectTls({ socket: raw, rejectUnauthorized: false, ...identityOf(lab.revokedClient) });
    expect((await greet(socket)).output).toBe('');
    await vi.waitFor(async () =>
      expect(await gateway.metric('icapgw_connections_active', { service: 'tunnel' })).toBe(0),
    );
  });
});
