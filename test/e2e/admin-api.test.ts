import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { startIcapServer } from '../../src/demo/icap-server.ts';
import { mismatches, readAdminSchema } from '../_util/admin-schema.ts';
import { certificates } from '../_util/certificates.ts';
import { ctl, getApi, postApi, watchStatus } from '../_util/e2e-ctl.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { icapService } from '../_util/e2e-icap.ts';
import { ask, dialTunnel, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';
import { connectScriptClient } from '../_util/icap-script-client.ts';
import { reqmod } from '../_util/icap-script-message.ts';
import { dialTls, visit } from '../_util/tls-client.ts';

const SCHEMA = readAdminSchema();

async function stateOf(gateway: RunningGateway): Promise<unknown> {
  const { services } = (await getApi(gateway, 'status')) as { services: { backends: { state: string }[] }[] };
  return services[0]?.backends[0]?.state;
}

test('answers with what docs/admin-api.md says, no more and no less', async () => {
  await using icapServer = await startIcapServer({ host: '127.0.0.1', port: 0 });
  const { server, client, ca, crl } = certificates();
  const backends = [{ name: 'demo', address: `127.0.0.1:${icapServer.port}` }];
  await using gateway = await startGateway({
    workers: 2,
    services: [
      icapService('icap', backends, { health: { type: 'icap', path: '/reqmod', interval: '200ms' } }),
      {
        ...{ name: 'secure', listen: '127.0.0.1:0', protocol: 'tunnel', backends },
        tls: { cert: server.cert, key: server.key, 'client-auth': { ca: ca.cert, crl: [crl] } },
        health: { type: 'tcp' },
      },
    ],
  });
  await using connection = await connectScriptClient(gateway.port('icap'));
  expect((await connection.ask(reqmod({ body: 'document' }))).status).toBeLessThan(300);
  await visit({ port: gateway.port('secure') });
  const known = dialTls({ port: gateway.port('secure'), identity: client });
  await once(known, 'secureConnect');
  await postApi(gateway, 'block', { address: '192.0.2.1', seconds: 600 });
  await vi.waitFor(async () => {
    const status = (await getApi(gateway, 'status')) as Record<string, unknown[]>;
    expect(status['refusals']).toMatchObject([{ reason: 'no-certificate', client: '127.0.0.1', count: 1 }]);
    expect(status['changes']?.length).toBeGreaterThan(0);
  });

  const answers = {
    Status: await getApi(gateway, 'status'),
    ConnectionList: await getApi(gateway, 'connections'),
    BlockedList: await getApi(gateway, 'blocked'),
    Blocked: await postApi(gateway, 'block', { address: '2001:DB8::/32' }),
    Unblocked: await postApi(gateway, 'unblock', { address: '192.0.2.1' }),
    BackendSet: await postApi(gateway, 'backends/icap/demo/drain'),
    WeightSet: await postApi(gateway, 'backends/icap/demo/weight', { weight: 5 }),
    Reloaded: await postApi(gateway, 'reload'),
  };
  for (const [type, answer] of Object.entries(answers)) expect(mismatches(SCHEMA, type, answer)).toEqual([]);
  expect(answers.Status).toMatchObject({
    services: [
      { name: 'icap', icap: { verdicts: { allowed: 1 }, lastMinute: { allowed: 1 }, latency: { count: 1 } } },
      { name: 'secure', icap: null },
    ],
    certificates: expect.arrayContaining([
      expect.objectContaining({ service: 'secure', kind: 'crl' }),
      expect.objectContaining({ service: 'secure', kind: 'server' }),
    ]),
    blocked: 1,
  });
  expect(answers.ConnectionList).toMatchObject({
    total: 2,
    connections: [
      { service: 'icap', activity: 'idle', tls: null, subject: null },
      { service: 'secure', tls: 'TLSv1.3', subject: 'CN=client' },
    ],
  });
  known.destroy();
  expect(answers.Blocked).toEqual({ address: '2001:db8::/32', until: null });
});

test('every type of docs/admin-api.md is used by another or by an answer', () => {
  const used = new Set(
    [...SCHEMA.values()].flatMap((fields) => [...fields.values()].map((type) => type.split(/\[| or/)[0])),
  );
  const answers = ['Status', 'ConnectionList', 'BlockedList', 'Unblocked', 'BackendSet', 'WeightSet', 'Reloaded'];
  expect([...SCHEMA.keys()].filter((type) => !used.has(type) && !answers.includes(type))).toEqual([]);
});

describe('a backend', () => {
  test('that is drained keeps its connections and gets no new ones; ready brings it back', async () => {
    await using backend = await startTunnelBackend();
    await using gateway = await startGateway(tunnelConfig([{ name: 'only', address: backend.address }]));
    const kept = dialTunnel(gateway.port('tunnel'));
    kept.write('first');
    await once(kept, 'data');

    expect(await ctl(gateway, 'drain', 'tunnel/only')).toMatchObject({ code: 0 });
    expect(await stateOf(gateway)).toBe('drain');
    expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(503);
    kept.write('second');
    expect(String((await once(kept, 'data'))[0])).toBe('second');
    expect((await ctl(gateway, 'connections')).stdout).toMatch(
      /tunnel +127\.0\.0\.1:\d+ .* TLSv1\.3 +only +tunnel +11 B +11 B/,
    );
    kept.destroy();

    expect(await ctl(gateway, 'maint', 'tunnel/only')).toMatchObject({ code: 0 });
    expect(await stateOf(gateway)).toBe('maint');
    expect(await ctl(gateway, 'ready', 'tunnel/only')).toMatchObject({ code: 0 });
    await vi.waitFor(async () => expect(await stateOf(gateway)).toBe('up'));
    const again = dialTunnel(gateway.port('tunnel'));
    again.write('third');
    expect(String((await once(again, 'data'))[0])).toBe('third');
    again.destroy();
  });

  test('that does not exist is named, with those that do', async () => {
    await using gateway = await startGateway(tunnelConfig([{ name: 'only', address: '127.0.0.1:9' }]));
    const { code, stderr } = await ctl(gateway, 'drain', 'tunnel/none');
    expect([code, stderr]).toEqual([1, 'icapgw: there is no backend in tunnel called none; there is only\n']);
    expect(await postApi(gateway, 'backends/other/only/drain')).toEqual({
      error: 'there is no service called other; there is tunnel',
    });
  });
});

test('an address stays blocked through a reload, until it is unblocked', async () => {
  await using backend = await startTunnelBackend();
  await using gateway = await startGateway(tunnelConfig([{ name: 'only', address: backend.address }]));
  expect(await ctl(gateway, 'block', '127.0.0.1')).toMatchObject({ code: 0 });
  expect(await ctl(gateway, 'reload')).toMatchObject({ code: 0 });
  const refused = await Promise.all(Array.from({ length: 8 }, () => visit({ port: gateway.port('tunnel') })));
  expect(refused.every(({ error }) => error === 'ECONNRESET')).toBe(true);
  expect(await gateway.metric('icapgw_connections_rejected_total', { reason: 'blocked' })).toBe(8);
  expect((await ctl(gateway, 'blocked')).stdout).toContain('127.0.0.1');
  expect(await ctl(gateway, 'unblock', '127.0.0.1')).toMatchObject({ code: 0 });
  expect(await ask(gateway.port('tunnel'), 'back')).toBe('back');
  expect(await ctl(gateway, 'blocked')).toMatchObject({ stdout: 'nobody is blocked\n' });
});

test('ctl status --watch prints again and again, through a restart of the gateway', async () => {
  await using gateway = await startGateway(tunnelConfig([{ name: 'only', address: '127.0.0.1:9' }]));
  await using watch = watchStatus(gateway);
  await vi.waitFor(() => expect(watch.lines.length).toBeGreaterThan(2), { timeout: 10_000 });
  for (const line of watch.lines) expect(mismatches(SCHEMA, 'Status', JSON.parse(line))).toEqual([]);
  gateway.signal('SIGKILL');
  // The first one may have been under way when it died.
  await vi.waitFor(() => expect(watch.complaints.at(-1)).toContain('nobody listens at'), { timeout: 10_000 });
});

test('a blocked address is cut off, and let in again when its time is over', async () => {
  await using backend = await startTunnelBackend();
  await using gateway = await startGateway(tunnelConfig([{ name: 'only', address: backend.address }]));
  const open = dialTunnel(gateway.port('tunnel'));
  open.write('hello');
  await once(open, 'data');

  const cut = new Promise<void>((resolve) => open.once('close', () => resolve()));
  expect(await postApi(gateway, 'block', { address: '127.0.0.0/8', seconds: 1 })).toMatchObject({
    address: '127.0.0.0/8',
  });
  await cut;
  expect(await gateway.waitForEvent('connection-closed')).toMatchObject({ reason: 'blocked' });
  expect(await gateway.waitForEvent('address-unblocked')).toMatchObject({ cause: 'expired' });
  await vi.waitFor(async () => expect(await ask(gateway.port('tunnel'), 'back')).toBe('back'));
});
