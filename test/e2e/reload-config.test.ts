import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { startIcapServer } from '../../src/demo/icap-server.ts';
import { startRecordingBackend } from '../_util/e2e-backend.ts';
import { greet } from '../_util/e2e-client.ts';
import { type LoggedEvent, type LoggedLine, type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { icapService } from '../_util/e2e-icap.ts';
import { laterEvent, reloadWith } from '../_util/e2e-reload.ts';
import { dialTunnel, receive, startTunnelBackend, type TunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';
import { createIcapVisitor } from '../_util/icap-visitor.ts';
import { createFolder } from '../_util/observe-log.ts';

const RELOADS = 'icapgw_config_reloads_total';

function plain(name: string, port: number, more: object = {}): object {
  return {
    ...{ name, listen: '127.0.0.1:0', protocol: 'tunnel', tls: 'off', health: { type: 'none' } },
    ...{ backends: [{ name: 'echo', address: `127.0.0.1:${port}` }], ...more },
  };
}

async function isServed(port: number): Promise<boolean> {
  return (await greet(connect({ host: '127.0.0.1', port }))).isServed;
}

async function isRefused(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return !isOpen;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function named<E extends LoggedLine['event']>(events: readonly LoggedLine[], event: E): LoggedEvent<E>[] {
  return events.filter((logged): logged is LoggedEvent<E> => logged.event === event);
}

async function statusOf({ adminUrl }: RunningGateway): Promise<Status> {
  return (await (await fetch(`${adminUrl}/api/v1/status`)).json()) as Status;
}

interface Status {
  readonly services: readonly {
    readonly name: string;
    readonly connections: { readonly active: number; readonly accepted: number };
    readonly backends: readonly {
      readonly name: string;
      readonly state: string;
      readonly since: string;
      readonly active: number;
    }[];
  }[];
}

describe('a file that cannot be used', () => {
  test('leaves everything in force, says where it is broken, and is counted', async () => {
    await using backend = await startRecordingBackend();
    await using gateway = await startGateway({ workers: 2, services: [plain('one', backend.port)] });
    const port = gateway.port('one');
    const session = connect({ host: '127.0.0.1', port });
    session.write('before ');
    await once(session, 'data');
    const broken = ['services:', '  - name: one', '    listen: 127.0.0.1:0', '    backends:', '      - adress: x', ''];
    const { isTaken, events } = await reloadWith(gateway, broken.join('\n'));
    expect(isTaken).toBe(false);
    expect(named(events, 'config-problem')).toContainEqual(
      expect.objectContaining({ file: gateway.file, line: 5, severity: 'error' }),
    );
    expect(named(events, 'reload-failed')).toMatchObject([{ file: gateway.file, level: 'error' }]);
    expect(await gateway.metric(RELOADS, { result: 'failure' })).toBe(1);
    expect(await gateway.metric(RELOADS, { result: 'success' })).toBe(0);
    session.write('after');
    expect(String((await once(session, 'data'))[0])).toBe('echo:after');
    session.destroy();
    expect(await isServed(port)).toBe(true);
    expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(200);
  });

  test('may also be one that names a certificate that is gone', async () => {
    await using backend = await startRecordingBackend();
    await using gateway = await startGateway({ services: [plain('one', backend.port)] });
    const tls = { cert: '/nowhere/tls.crt', key: '/nowhere/tls.key', 'client-auth': { mode: 'none' } };
    const { isTaken, events } = await reloadWith(gateway, { services: [plain('one', backend.port, { tls })] });
    expect(isTaken).toBe(false);
    expect(
      named(events, 'config-problem')
        .map(({ text }) => text)
        .join(),
    ).toContain('/nowhere/tls.crt');
    expect(await isServed(gateway.port('one'))).toBe(true);
    const good = await reloadWith(gateway, { services: [plain('one', backend.port)] });
    expect(good.isTaken).toBe(true);
    expect(await gateway.metric(RELOADS)).toBe(2);
  });

  test('is one that wants an address that somebody else has', async () => {
    await using backend = await startRecordingBackend();
    await using gateway = await startGateway({ workers: 2, services: [plain('one', backend.port)] });
    const fresh = await freePort();
    const taken = { listen: [`127.0.0.1:${fresh}`, `127.0.0.1:${backend.port}`] };
    const services = [plain('one', backend.port), plain('two', backend.port, taken)];
    const { isTaken, events } = await reloadWith(gateway, { workers: 2, services });
    expect(isTaken).toBe(false);
    expect(named(events, 'reload-failed')[0]?.detail).toContain(`127.0.0.1:${backend.port}`);
    expect(await isServed(gateway.port('one'))).toBe(true);
    expect(await isRefused(fresh)).toBe(true);
    expect(await gateway.metric(RELOADS, { result: 'failure' })).toBe(1);
  });
});

describe('listeners', () => {
  test('that stay keep their ports; others come and go with their services', async () => {
    await using backend = await startRecordingBackend();
    const [one, two] = [plain('one', backend.port), plain('two', backend.port)];
    await using gateway = await startGateway({ workers: 2, services: [one] });
    const port = gateway.port('one');
    const session = connect({ host: '127.0.0.1', port });
    session.write('x');
    await once(session, 'data');

    const fresh = await freePort();
    const wider = plain('one', backend.port, { listen: ['127.0.0.1:0', `127.0.0.1:${fresh}`] });
    const added = await reloadWith(gateway, { workers: 2, services: [two, wider] });
    expect(named(added.events, 'listening').map(({ service }) => service)).toEqual(['two', 'one']);
    expect(named(added.events, 'reloaded')).toMatchObject([{ services: 2 }]);
    expect(await isServed(port)).toBe(true);
    expect(await isServed(fresh)).toBe(true);
    const second = gateway.port('two');
    expect(await isServed(second)).toBe(true);

    await reloadWith(gateway, { workers: 2, services: [two] });
    expect(await isRefused(port)).toBe(true);
    expect(await isRefused(fresh)).toBe(true);
    expect(await isServed(second)).toBe(true);
    // Its service is gone; it is not.
    session.write('still here');
    expect(String((await once(session, 'data'))[0])).toBe('echo:still here');
    session.destroy();

    await reloadWith(gateway, { workers: 2, services: [wider] });
    expect(await isRefused(second)).toBe(true);
    expect(await isServed(fresh)).toBe(true);
  });

  test.each([1, 2])('go over to a service of another name, with %i workers', async (workers) => {
    await using backend = await startRecordingBackend();
    const listen = `127.0.0.1:${await freePort()}`;
    await using gateway = await startGateway({ workers, services: [plain('old', backend.port, { listen })] });
    const { isTaken, events } = await reloadWith(gateway, {
      workers,
      services: [plain('new', backend.port, { listen })],
    });
    expect(isTaken, JSON.stringify(events)).toBe(true);
    expect(await isServed(gateway.port('new'))).toBe(true);
    expect(await gateway.metric('icapgw_connections_total', { service: 'new' })).toBe(1);
  });

  test('that are unix sockets go over to a service of another name, again and again', async () => {
    await using folder = await createFolder();
    await using backend = await startRecordingBackend();
    const path = folder.file('gateway.sock');
    const config = (name: string): object => ({
      workers: 2,
      services: [plain(name, backend.port, { listen: `unix:${path}` })],
    });
    await using gateway = await startGateway(config('first'));
    for (const name of ['second', 'third', 'first']) {
      expect((await reloadWith(gateway, config(name))).isTaken).toBe(true);
      expect((await greet(connect({ path }))).isServed).toBe(true);
    }
  });

  test('serve another protocol from the reload on', async () => {
    await using echo = await startRecordingBackend();
    await using icap = await startIcapServer({ host: '127.0.0.1', port: 0 });
    const asIcap = icapService('one', [{ address: `127.0.0.1:${icap.port}` }]);
    await using gateway = await startGateway({ workers: 2, services: [asIcap] });
    const port = gateway.port('one');
    await using client = createIcapVisitor({ port, path: '/virus_scan' });
    expect((await client.visit('harmless')).verdict).toBe('allowed');
    expect((await reloadWith(gateway, { workers: 2, services: [plain('one', echo.port)] })).isTaken).toBe(true);
    expect(await isServed(port)).toBe(true);
    expect((await reloadWith(gateway, { workers: 2, services: [asIcap] })).isTaken).toBe(true);
    await using again = createIcapVisitor({ port, path: '/virus_scan' });
    expect((await again.visit('harmless')).verdict).toBe('allowed');
    expect(await gateway.metric('icapgw_worker_restarts_total')).toBe(0);
  });

  test('stay closed once the gateway drains', async () => {
    await using backend = await startRecordingBackend();
    const config = { workers: 2, services: [plain('one', backend.port)] };
    await using gateway = await startGateway(config);
    const port = gateway.port('one');
    const session = connect({ host: '127.0.0.1', port });
    session.on('error', () => {});
    session.write('x');
    await once(session, 'data');
    gateway.signal('SIGTERM');
    await vi.waitFor(async () => expect(await isRefused(port)).toBe(true));
    const fresh = await freePort();
    const more = plain('two', backend.port, { listen: `127.0.0.1:${fresh}` });
    const from = gateway.events.length;
    const { isTaken } = await reloadWith(gateway, { workers: 2, services: [plain('one', backend.port), more] });
    expect(isTaken).toBe(false);
    expect(gateway.events.slice(from).filter(({ event }) => event === 'listening')).toEqual([]);
    expect(await isRefused(fresh)).toBe(true);
    expect(await isRefused(port)).toBe(true);
    session.end();
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
  });
});

test('what only a restart can change is named', async () => {
  await using backend = await startRecordingBackend();
  const services = [plain('one', backend.port)];
  await using gateway = await startGateway({ workers: 1, services });
  const { isTaken, events } = await reloadWith(gateway, {
    ...{ workers: 2, log: { level: 'info', format: 'text' }, admin: { listen: '127.0.0.1:9344' }, services },
  });
  expect(isTaken, JSON.stringify(events)).toBe(true);
  expect(named(events, 'restart-needed').map(({ keys }) => keys)).toEqual([['workers', 'log', 'admin']]);
  expect(named((await reloadWith(gateway, { workers: 1, services })).events, 'restart-needed')).toEqual([]);
});

test('the drain goes by the settings that were loaded last', async () => {
  await using backend = await startTunnelBackend();
  const config = (drain: string): object =>
    tunnelConfig([{ address: backend.address }], {}, { 'drain-timeout': drain });
  await using gateway = await startGateway(config('10m'));
  const client = dialTunnel(gateway.port('tunnel'));
  client.write('x');
  await once(client, 'data');
  expect((await reloadWith(gateway, config('200ms'))).isTaken).toBe(true);
  gateway.signal('SIGTERM');
  expect(await gateway.waitForEvent('draining')).toMatchObject({ deadlineMs: 200 });
  await receive(client);
  expect(await gateway.waitForEvent('drained')).toMatchObject({ cut: 1 });
});

describe('what was counted', () => {
  test('does not go back, and open sessions of earlier configurations count as open', async () => {
    await using backend = await startTunnelBackend();
    const config = (names: readonly string[], more: object = {}): object =>
      tunnelConfig(
        names.map((name) => ({ name, address: backend.address })),
        more,
      );
    await using gateway = await startGateway(config(['first']));
    const port = gateway.port('tunnel');
    const clients = await Promise.all(
      [1, 2, 3].map(async () => {
        const client = dialTunnel(port);
        client.write('0123456789');
        await once(client, 'data');
        return client;
      }),
    );
    const active = (): Promise<number> => gateway.metric('icapgw_connections_active');
    const used = (): Promise<number> => gateway.metric('icapgw_backend_connections_active', { backend: 'first' });
    const accepted = (): Promise<number> => gateway.metric('icapgw_connections_total');
    const closed = (): Promise<number> => gateway.metric('icapgw_connections_closed_total');
    const attempts = (): Promise<number> => gateway.metric('icapgw_backend_connections_total', { backend: 'first' });
    expect([await active(), await used(), await accepted(), await attempts()]).toEqual([3, 3, 3, 3]);
    const orders = [['second', 'first'], ['first'], ['first'], ['third', 'second', 'first']];
    for (const names of orders) {
      expect((await reloadWith(gateway, config(names))).isTaken).toBe(true);
      expect([await active(), await used(), await accepted(), await attempts()]).toEqual([3, 3, 3, 3]);
    }
    const [leaving, ...staying] = clients;
    leaving?.end();
    await vi.waitFor(async () => expect([await active(), await used(), await closed()]).toEqual([2, 2, 1]));
    // What is open is held against a limit that came later.
    expect((await reloadWith(gateway, config(['first'], { limits: { connections: 2 } }))).isTaken).toBe(true);
    expect(await receive(dialTunnel(port))).toHaveLength(0);
    for (const client of staying) client.end();
    await vi.waitFor(async () => expect([await active(), await used(), await closed()]).toEqual([0, 0, 3]));
    const another = dialTunnel(port);
    another.end('x');
    expect((await receive(another)).toString()).toBe('x');
    expect(await accepted()).toBe(4);
    expect(await gateway.metric('icapgw_connections_rejected_total')).toBe(1);
    expect(await gateway.metric('icapgw_worker_restarts_total')).toBe(0);
  });
});

describe('what is known of a backend', () => {
  test('that is down is known after a reload: nobody is sent there', async () => {
    await using alive = await startTunnelBackend();
    const dead = await freePort();
    const backends = [
      { name: 'dead', address: `127.0.0.1:${dead}`, priority: 1 },
      { name: 'alive', address: alive.address, priority: 2 },
    ];
    const health = { type: 'tcp', interval: '1m', timeout: '500ms', rise: 1, fall: 1 };
    await using gateway = await startGateway(tunnelConfig(backends, { health }));
    await gateway.waitForEvent('backend-state', ({ backend, to }) => backend === 'dead' && to === 'down');
    const [before] = (await statusOf(gateway)).services;
    for (const weight of [2, 3, 4]) {
      const weighed = backends.map((backend) => ({ ...backend, weight }));
      const { isTaken, events } = await reloadWith(gateway, tunnelConfig(weighed, { health }));
      expect(isTaken).toBe(true);
      const { services } = await statusOf(gateway);
      expect(services[0]?.backends[0]).toMatchObject({ since: before?.backends[0]?.since });
      expect(services[0]?.backends.map(({ state }) => state)).toEqual(['down', 'up']);
      expect(named(events, 'backend-failed')).toEqual([]);
    }
    expect(await gateway.metric('icapgw_backend_connections_total', { backend: 'dead' })).toBe(0);
  });

  test('stays as the operator wished it', async () => {
    await using first = await startTunnelBackend();
    await using second = await startTunnelBackend();
    const backends = (weight: number): readonly object[] => [
      { name: 'first', address: first.address, weight },
      { name: 'second', address: second.address },
    ];
    await using gateway = await startGateway(tunnelConfig(backends(1)));
    const response = await fetch(`${gateway.adminUrl}/api/v1/backends/tunnel/first/drain`, { method: 'POST' });
    expect(response.status, await response.text()).toBe(200);
    await gateway.waitForEvent('backend-state', ({ backend, to }) => backend === 'first' && to === 'drain');
    for (const weight of [2, 3]) expect((await reloadWith(gateway, tunnelConfig(backends(weight)))).isTaken).toBe(true);
    const { services } = await statusOf(gateway);
    expect(services[0]?.backends.map(({ state }) => state)).toEqual(['drain', 'up']);
    for (let turn = 0; turn < 10; turn += 1) {
      const client = dialTunnel(gateway.port('tunnel'));
      client.end('x');
      expect((await receive(client)).toString()).toBe('x');
    }
    expect(first.served()).toBe(0);
  });

  test('in ICAP mode, the options it gave and the ISTag made of them stay', async () => {
    await using backend = await startOnceTalkative();
    const config = (weight: number): object => ({
      workers: 2,
      services: [
        icapService('icap', [{ name: 'first', address: backend.address, weight }], {
          health: { type: 'none', path: '/known', timeout: '5s' },
        }),
      ],
    });
    await using gateway = await startGateway(config(1));
    await using client = createIcapVisitor({ port: gateway.port('icap'), path: '/known' });
    const known = await client.options();
    expect(known).toMatchObject({ status: 200, previewBytes: 77 });
    for (const weight of [2, 3, 4]) {
      expect((await reloadWith(gateway, config(weight))).isTaken).toBe(true);
      const options = await client.options();
      expect({ ...options, ttlSeconds: known.ttlSeconds }).toEqual(known);
    }
    expect(backend.served()).toBeGreaterThan(1);
  });
});

/** Answers the first OPTIONS it is asked for, and falls silent. */
async function startOnceTalkative(): Promise<TunnelBackend> {
  let asked = 0;
  const answer =
    'ICAP/1.0 200 OK\r\nMethods: REQMOD, RESPMOD\r\nISTag: "once"\r\nPreview: 77\r\nOptions-TTL: 3600\r\n' +
    'Allow: 204\r\nEncapsulated: null-body=0\r\n\r\n';
  return await startTunnelBackend((socket) => {
    socket.on('data', () => {
      asked += 1;
      if (asked === 1) socket.end(answer);
    });
  });
}

test('a client that has not sent its PROXY header yet survives a reload', async () => {
  await using backend = await startTunnelBackend();
  const service = (weight: number): object =>
    plain('one', backend.port, {
      'proxy-protocol': { accept: 'v1', from: ['127.0.0.1'] },
      backends: [{ address: backend.address, weight }],
    });
  await using gateway = await startGateway({ workers: 1, services: [service(1)] });
  const open = (): ReturnType<typeof connect> => connect({ host: '127.0.0.1', port: gateway.port('one') });
  const [early, gone] = [open(), open()];
  gone.on('error', () => {});
  await Promise.all([once(early, 'connect'), once(gone, 'connect')]);
  await vi.waitFor(async () => expect(await gateway.metric('icapgw_connections_active')).toBe(2));
  expect((await reloadWith(gateway, { workers: 1, services: [service(2)] })).isTaken).toBe(true);
  expect(await gateway.metric('icapgw_connections_active')).toBe(2);
  const from = gateway.events.length;
  gone.destroy();
  await laterEvent(gateway, from, ['connection-rejected', 'worker-died']);
  early.write('PROXY TCP4 192.0.2.1 192.0.2.2 1000 2000\r\nhello');
  expect(String((await once(early, 'data'))[0])).toBe('hello');
  early.end();
  await vi.waitFor(async () => expect(await gateway.metric('icapgw_connections_active')).toBe(0));
  expect(await gateway.metric('icapgw_worker_restarts_total')).toBe(0);
});
