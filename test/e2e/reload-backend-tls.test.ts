import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import type { ConnectionList } from '../../src/observe/connection-entry.ts';
import { certificates } from '../_util/certificates.ts';
import { startTlsRecordingBackend } from '../_util/e2e-backend.ts';
import { greet } from '../_util/e2e-client.ts';
import { startGateway } from '../_util/e2e-gateway.ts';
import { icapService } from '../_util/e2e-icap.ts';
import { laterEvent, replaceFile } from '../_util/e2e-reload.ts';
import { connectScriptClient } from '../_util/icap-script-client.ts';
import { chunk, reqmod } from '../_util/icap-script-message.ts';
import { startTlsIcapServer } from '../_util/icap-tls-server.ts';
import { createIcapVisitor } from '../_util/icap-visitor.ts';
import { createFolder } from '../_util/observe-log.ts';

const lab = certificates();

test('a CA of backends that is replaced on the disk holds for probes, new connections and those that are kept', async () => {
  await using folder = await createFolder();
  await using scanner = await startTlsIcapServer(lab.server);
  await using echo = await startTlsRecordingBackend(lab.server);
  const ca = folder.file('backend-ca.pem');
  replaceFile(ca, readFileSync(lab.ca.cert));
  const backend = ({ port }: { readonly port: number }) => [
    { name: 'first', address: `127.0.0.1:${port}`, tls: { ca } },
  ];
  await using gateway = await startGateway({
    workers: 1,
    services: [
      icapService('icap', backend(scanner), { health: { type: 'none' } }),
      {
        ...{ name: 'tunnel', listen: '127.0.0.1:0', protocol: 'tunnel', tls: 'off', backends: backend(echo) },
        health: { type: 'tls', interval: '100ms', timeout: '2s', rise: 1, fall: 1 },
      },
    ],
  });
  const isServed = async (): Promise<boolean> => {
    const socket = connect({ host: '127.0.0.1', port: gateway.port('tunnel') });
    return (await greet(socket)).isServed;
  };
  await using visitor = createIcapVisitor({ port: gateway.port('icap'), path: '/reqmod' });
  expect((await visitor.visit('harmless', { allow204: true })).verdict).toBe('allowed');
  expect(await isServed()).toBe(true);

  const from = gateway.events.length;
  replaceFile(ca, readFileSync(lab.otherCa.cert));
  const read = await laterEvent(gateway, from, ['certificates-read']);
  expect(read).toMatchObject({ backend: 'first' });
  await vi.waitFor(() =>
    expect(gateway.events.slice(from)).toContainEqual(
      expect.objectContaining({ event: 'backend-state', service: 'tunnel', to: 'down' }),
    ),
  );
  // Also over the connection that was kept from before.
  expect((await visitor.visit('harmless', { allow204: true })).verdict).toBe('error');
  expect(await isServed()).toBe(false);

  replaceFile(ca, readFileSync(lab.ca.cert));
  await vi.waitFor(async () => expect(await isServed()).toBe(true), { timeout: 10_000 });
  expect((await visitor.visit('harmless', { allow204: true })).verdict).toBe('allowed');
});

test('a CA of backends that cannot be read leaves the one before in force, and is told of once', async () => {
  await using folder = await createFolder();
  await using backend = await startTlsIcapServer(lab.server);
  const ca = folder.file('backend-ca.pem');
  replaceFile(ca, readFileSync(lab.ca.cert));
  const backends = [{ name: 'first', address: `127.0.0.1:${backend.port}`, tls: { ca } }];
  await using gateway = await startGateway({
    workers: 1,
    services: [icapService('icap', backends, { health: { type: 'none' } })],
  });
  replaceFile(ca, 'no certificate');
  expect(await gateway.waitForEvent('certificates-failed')).toMatchObject({ service: 'icap', backend: 'first' });
  await using visitor = createIcapVisitor({ port: gateway.port('icap'), path: '/reqmod' });
  expect((await visitor.visit('harmless', { allow204: true })).verdict).toBe('allowed');
  const from = gateway.events.length;
  replaceFile(ca, readFileSync(lab.ca.cert));
  // The same as before: nothing to take.
  replaceFile(ca, Buffer.concat([readFileSync(lab.ca.cert), readFileSync(lab.otherCa.cert)]));
  await laterEvent(gateway, from, ['certificates-read']);
  expect(gateway.events.filter(({ event }) => event === 'certificates-failed')).toHaveLength(1);
});

test('a connection that was in use when the CA of backends changed serves nobody after that', async () => {
  await using folder = await createFolder();
  await using backend = await startTlsIcapServer(lab.server);
  const ca = folder.file('backend-ca.pem');
  replaceFile(ca, readFileSync(lab.ca.cert));
  const backends = [{ name: 'first', address: `127.0.0.1:${backend.port}`, tls: { ca } }];
  await using gateway = await startGateway({
    workers: 1,
    services: [icapService('icap', backends, { health: { type: 'none' }, outliers: { 'consecutive-failures': 0 } })],
  });
  await using client = await connectScriptClient(gateway.port('icap'));
  const request = reqmod({ lines: ['Allow: 204'], body: 'harmless' }).toString();
  const last = request.lastIndexOf(chunk('').toString());
  await client.send(request.slice(0, last));
  await vi.waitFor(async () => expect(await backendsOf(gateway.adminUrl)).toEqual(['first']));
  replaceFile(ca, readFileSync(lab.otherCa.cert));
  await gateway.waitForEvent('certificates-read');
  await client.send(request.slice(last));
  expect((await client.answer('REQMOD')).status).toBe(204);
  expect((await client.ask(request)).status).toBe(502);
});

/** With whom clients are connected at the moment. */
async function backendsOf(adminUrl: string): Promise<readonly (string | null)[]> {
  const response = await fetch(`${adminUrl}/api/v1/connections`);
  const { connections } = (await response.json()) as ConnectionList;
  return connections.map(({ backend }) => backend);
}
