import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { type RunningGateway, spawnGateway, startGateway } from '../_util/e2e-gateway.ts';
import { laterEvent, rewriteConfig } from '../_util/e2e-reload.ts';
import { ask, dialTunnel, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

/** A name server that never answers: a reload that asks it waits for a while. */
interface SilentNameServer extends AsyncDisposable {
  readonly address: string;
  /** Resolves when it is asked for the first time. */
  readonly asked: Promise<unknown>;
}

async function startSilentNameServer(): Promise<SilentNameServer> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  const asked = once(socket, 'message');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, 'close');
    },
  };
}

/** Begins a reload that also wants a backend nobody resolves, and returns when it waits for that. */
async function beginReload(gateway: RunningGateway, backend: object, names: SilentNameServer): Promise<void> {
  const backends = [backend, { name: 'unknown', address: 'nobody.example:1344' }];
  rewriteConfig(gateway, tunnelConfig(backends, {}, { resolver: { servers: [names.address] } }));
  gateway.signal('SIGHUP');
  await names.asked;
}

test('what an operator wishes of a backend while a reload is under way is in force after it', async () => {
  await using server = await startTunnelBackend();
  await using names = await startSilentNameServer();
  const backend = { name: 'first', address: server.address };
  await using gateway = await startGateway(tunnelConfig([backend]));
  await beginReload(gateway, backend, names);
  const response = await fetch(`${gateway.adminUrl}/api/v1/backends/tunnel/first/drain`, { method: 'POST' });
  expect(response.status, await response.text()).toBe(200);
  expect(gateway.events.filter(({ event }) => event === 'reloaded')).toEqual([]);
  await gateway.waitForEvent('reloaded');
  const status = (await (await fetch(`${gateway.adminUrl}/api/v1/status`)).json()) as Status;
  expect(status.services[0]?.backends.find(({ name }) => name === 'first')?.state).toBe('drain');
});

test('a reload that is asked for while the gateway starts is made up for', async () => {
  await using server = await startTunnelBackend();
  await using names = await startSilentNameServer();
  const unknown = { name: 'unknown', address: 'nobody.example:1344' };
  const resolver = { resolver: { servers: [names.address] } };
  await using gateway = spawnGateway(tunnelConfig([unknown], {}, resolver));
  await names.asked;
  expect(gateway.events.filter(({ event }) => event === 'ready')).toEqual([]);
  rewriteConfig(gateway, tunnelConfig([{ name: 'first', address: server.address }]));
  gateway.signal('SIGHUP');
  await gateway.waitForEvent('ready');
  expect(await laterEvent(gateway, 0, ['reloaded', 'reload-failed'])).toMatchObject({ event: 'reloaded' });
  expect(await ask(portOf(await gateway.waitForEvent('listening')))).toBe('ping');
});

function portOf({ address }: { readonly address: string }): number {
  return Number(/\d+$/.exec(address)?.[0]);
}

interface Status {
  readonly services: readonly { readonly backends: readonly { readonly name: string; readonly state: string }[] }[];
}

test('a gateway that is told to end while a reload is under way does not listen again', async () => {
  await using server = await startTunnelBackend();
  await using names = await startSilentNameServer();
  const backend = { name: 'first', address: server.address };
  await using gateway = await startGateway(tunnelConfig([backend], {}, { 'drain-timeout': '5s' }));
  // A session that keeps the drain waiting until the reload has ended.
  const session = dialTunnel(gateway.port('tunnel'));
  session.write('hello');
  await once(session, 'data');
  await beginReload(gateway, backend, names);
  gateway.signal('SIGTERM');
  expect(await laterEvent(gateway, 0, ['reloaded', 'reload-failed'])).toMatchObject({ event: 'reload-failed' });
  session.destroy();
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
});
