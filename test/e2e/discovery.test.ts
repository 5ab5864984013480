import { connect } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { startRecordingBackend, startTlsRecordingBackend } from '../_util/e2e-backend.ts';
import { greet } from '../_util/e2e-client.ts';
import { startDnsmasq } from '../_util/e2e-dnsmasq.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { ask, dialTunnel, startTunnelBackend, type TunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

/** How many of so many connections each of these served. */
async function shares(gateway: RunningGateway, count: number, backends: readonly TunnelBackend[]): Promise<number[]> {
  const before = backends.map((backend) => backend.served());
  for (let turn = 0; turn < count; turn += 1) expect(await ask(gateway.port('tunnel'))).toBe('ping');
  return backends.map((backend, index) => backend.served() - (before[index] ?? 0));
}

/** Waits until those are the shares: the workers hear of a change a moment after the log. */
function comeTo(gateway: RunningGateway, backends: readonly TunnelBackend[], wanted: readonly number[]): Promise<void> {
  const count = wanted.reduce((sum, share) => sum + share, 0);
  const look = async (): Promise<void> => expect(await shares(gateway, count, backends)).toEqual(wanted);
  return vi.waitFor(look, { timeout: 20_000 });
}

function leadsTo(addresses: readonly string[]) {
  return (logged: { readonly addresses: readonly string[] }) => logged.addresses.join() === addresses.join();
}

describe('the addresses of a name', () => {
  test('are followed: who is new is used, who has gone is left alone, what is open there stays open', async () => {
    await using first = await startTunnelBackend(undefined, { host: '127.0.0.2' });
    const { port } = first;
    await using second = await startTunnelBackend(undefined, { host: '127.0.0.3', port });
    await using third = await startTunnelBackend(undefined, { host: '127.0.0.4', port });
    const all = [first, second, third];
    await using dns = await startDnsmasq({ hosts: ['127.0.0.2 dlp.example', '127.0.0.3 dlp.example'] });
    const config = tunnelConfig([{ address: `dlp.example:${port}` }], {}, { resolver: { servers: [dns.address] } });
    await using gateway = await startGateway(config);
    expect(await shares(gateway, 6, all)).toEqual([3, 3, 0]);

    await dns.change({ hosts: ['127.0.0.2 dlp.example'] });
    await gateway.waitForEvent('backend-addresses', leadsTo([`127.0.0.2:${port}`]));
    await comeTo(gateway, all, [4, 0, 0]);
    const open = dialTunnel(gateway.port('tunnel'));
    open.write('one');
    await vi.waitFor(() => expect(String(open.read())).toBe('one'));

    await dns.change({ hosts: ['127.0.0.3 dlp.example', '127.0.0.4 dlp.example'] });
    await gateway.waitForEvent('backend-addresses', leadsTo([`127.0.0.3:${port}`, `127.0.0.4:${port}`]));
    await comeTo(gateway, all, [0, 3, 3]);
    open.write('two');
    await vi.waitFor(() => expect(String(open.read())).toBe('two'));
    open.destroy();
  });

  test('stay when they cannot be had any more: nobody notices but the log', async () => {
    await using backend = await startTunnelBackend(undefined, { host: '127.0.0.2' });
    const { port } = backend;
    await using dns = await startDnsmasq({ hosts: ['127.0.0.2 dlp.example'] });
    const config = tunnelConfig(
      [{ name: 'dlp', address: `dlp.example:${port}` }],
      {},
      { resolver: { servers: [dns.address] } },
    );
    await using gateway = await startGateway(config);
    await dns.change({ hosts: [] });
    expect(await gateway.waitForEvent('resolve-failed')).toMatchObject({
      level: 'warning',
      backend: 'dlp',
      detail: expect.stringContaining('ENOTFOUND dlp.example'),
    });
    expect(await shares(gateway, 4, [backend])).toEqual([4]);
    await dns.stop();
    await dns.change({ hosts: ['127.0.0.2 dlp.example'] });
    await gateway.waitForEvent('resolve-recovered');
    expect(gateway.events.filter(({ event }) => event === 'resolve-failed')).toHaveLength(1);
    expect(gateway.events.filter(({ event }) => event === 'backend-addresses')).toHaveLength(1);
  });

  test('are asked for anew when nobody answers there, however long they were to be relied on', async () => {
    const first = await startTunnelBackend(undefined, { host: '127.0.0.2' });
    const { port } = first;
    await using second = await startTunnelBackend(undefined, { host: '127.0.0.3', port });
    await using dns = await startDnsmasq({ hosts: ['127.0.0.2 dlp.example'] }, 600);
    const config = tunnelConfig([{ address: `dlp.example:${port}` }], {}, { resolver: { servers: [dns.address] } });
    await using gateway = await startGateway(config);
    expect(await shares(gateway, 1, [first, second])).toEqual([1, 0]);
    await first[Symbol.asyncDispose]();
    await dns.change({ hosts: ['127.0.0.3 dlp.example'] });
    await gateway.waitForEvent('backend-addresses', leadsTo([`127.0.0.3:${port}`]));
    await comeTo(gateway, [second], [1]);
  });

  test('that are not known at the start are used when they are', async () => {
    await using backend = await startTunnelBackend(undefined, { host: '127.0.0.2' });
    await using dns = await startDnsmasq({ hosts: [] });
    const address = `dlp.example:${backend.port}`;
    await using gateway = await startGateway(tunnelConfig([{ address }], {}, { resolver: { servers: [dns.address] } }));
    expect(await ask(gateway.port('tunnel'))).toBe('');
    await dns.change({ hosts: ['127.0.0.2 dlp.example'] });
    await gateway.waitForEvent('resolve-recovered');
    await vi.waitFor(async () => expect(await ask(gateway.port('tunnel'))).toBe('ping'));
  });
});

describe('SRV records', () => {
  const HOSTS = ['a', 'b', 'c'].map((name) => `127.0.0.1 ${name}.example`);
  const SRV = { name: 'farm', address: 'srv:_icap._tcp.example' };

  function record(host: string, { port }: { readonly port: number }, priority: number, weight: number): string {
    return `_icap._tcp.example,${host}.example,${port},${priority},${weight}`;
  }

  test('decide on ports, shares and order; changes are followed', async () => {
    await using a = await startTunnelBackend();
    await using b = await startTunnelBackend();
    await using c = await startTunnelBackend();
    const all = [a, b, c];
    await using dns = await startDnsmasq({
      hosts: HOSTS,
      srv: [record('c', c, 20, 100), record('a', a, 10, 60), record('b', b, 10, 20)],
    });
    await using gateway = await startGateway(tunnelConfig([SRV], {}, { resolver: { servers: [dns.address] } }));
    expect(await shares(gateway, 12, all)).toEqual([9, 3, 0]);

    await a[Symbol.asyncDispose]();
    await b[Symbol.asyncDispose]();
    await gateway.waitForEvent('backend-state', ({ reason, to }) => to === 'down' && reason.includes(`${a.port}`));
    await gateway.waitForEvent('backend-state', ({ reason, to }) => to === 'down' && reason.includes(`${b.port}`));
    await comeTo(gateway, all, [0, 0, 3]);

    await using d = await startTunnelBackend();
    await dns.change({ hosts: HOSTS, srv: [record('a', d, 5, 0), record('c', c, 7, 0)] });
    await gateway.waitForEvent('backend-addresses', leadsTo([d.address, c.address]));
    await comeTo(gateway, [c, d], [0, 4]);

    // Only a weight is another one: no member comes or goes.
    await dns.change({ hosts: HOSTS, srv: [record('a', d, 5, 1), record('c', c, 5, 3)] });
    await comeTo(gateway, [c, d], [3, 1]);
  });

  test('come before backends of a higher priority, whatever their own priority is', async () => {
    await using near = await startTunnelBackend();
    await using far = await startTunnelBackend();
    await using dns = await startDnsmasq({ hosts: HOSTS, srv: [record('a', near, 65_535, 0)] });
    const backends = [SRV, { address: far.address, priority: 1 }];
    await using gateway = await startGateway(tunnelConfig(backends, {}, { resolver: { servers: [dns.address] } }));
    expect(await shares(gateway, 4, [near, far])).toEqual([4, 0]);
  });

  test('name the target: probes ask for it', async () => {
    await using backend = await startRecordingBackend();
    await using dns = await startDnsmasq({ hosts: HOSTS, srv: [record('a', backend, 0, 0)] });
    const health = { type: 'icap', interval: '200ms', timeout: '100ms' };
    await using _gateway = await startGateway(
      tunnelConfig([SRV], { health }, { resolver: { servers: [dns.address] } }),
    );
    const { port } = backend;
    await vi.waitFor(() => expect(String(backend.received[0])).toContain(`icap://a.example:${port}/ ICAP/1.0\r\n`));
    expect(String(backend.received[0])).toContain(`Host: a.example:${port}\r\n`);
  });

  test('name the target that a certificate must be for, unless server-name does', async () => {
    const { ca, server } = certificates();
    await using backend = await startTlsRecordingBackend(server);
    await using dns = await startDnsmasq({ hosts: HOSTS, srv: [record('a', backend, 0, 0)] });
    const start = (tls: object) =>
      startGateway(
        tunnelConfig(
          [{ ...SRV, tls: { ca: ca.cert, ...tls } }],
          { tls: 'off', health: { type: 'none' } },
          { resolver: { servers: [dns.address] } },
        ),
      );
    const greetThrough = async (gateway: RunningGateway) =>
      (await greet(connect({ host: '127.0.0.1', port: gateway.port('tunnel') }))).isServed;
    await using strict = await start({});
    expect(await greetThrough(strict)).toBe(false);
    const { detail } = await strict.waitForEvent('backend-failed');
    expect(detail).toContain('a.example');
    await using named = await start({ 'server-name': 'localhost' });
    expect(await greetThrough(named)).toBe(true);
  });
});
