import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { dialTunnel, receive, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

async function connectError(port: number): Promise<string | undefined> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    socket.destroy();
  }
}

describe('SIGTERM', () => {
  test('lets a transfer finish, refuses new connections and is not ready meanwhile', async () => {
    await using backend = await startTunnelBackend();
    await using gateway = await startGateway(tunnelConfig([{ address: backend.address }]));
    const port = gateway.port('tunnel');
    const client = dialTunnel(port);
    client.write('first half, ');
    await once(client, 'data');
    expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(200);

    gateway.signal('SIGTERM');
    expect(await gateway.waitForEvent('draining')).toMatchObject({ connections: 1 });
    await vi.waitFor(async () => expect(await connectError(port)).toBe('ECONNREFUSED'), { timeout: 5000 });
    expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(503);
    expect((await fetch(`${gateway.adminUrl}/livez`)).status).toBe(200);

    const rest = receive(client);
    client.end('second half');
    expect((await rest).toString()).toBe('second half');
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(await gateway.waitForEvent('drained')).toMatchObject({ cut: 0 });
    expect(await gateway.waitForEvent('connection-closed')).toMatchObject({ reason: 'client' });
  });

  test('cuts what is left at the deadline and says how much that was', async () => {
    await using backend = await startTunnelBackend();
    const config = tunnelConfig([{ address: backend.address }], {}, { 'drain-timeout': '300ms' });
    await using gateway = await startGateway(config);
    const clients = [1, 2, 3].map(() => dialTunnel(gateway.port('tunnel')));
    await Promise.all(
      clients.map(async (client) => {
        client.write('x');
        await once(client, 'data');
      }),
    );
    const ends = Promise.all(clients.map(receive));
    gateway.signal('SIGTERM');
    await ends;
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(await gateway.waitForEvent('drained')).toMatchObject({ cut: 3 });
    expect(gateway.events.filter(({ event }) => event === 'connection-closed')).toHaveLength(3);
    expect(await gateway.waitForEvent('connection-closed')).toMatchObject({ reason: 'drain' });
  });

  test('given twice ends at once', async () => {
    await using backend = await startTunnelBackend();
    const config = tunnelConfig([{ address: backend.address }], {}, { 'drain-timeout': '10m' });
    await using gateway = await startGateway(config);
    const client = dialTunnel(gateway.port('tunnel'));
    client.write('x');
    await once(client, 'data');
    gateway.signal('SIGTERM');
    await gateway.waitForEvent('draining');
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(await gateway.waitForEvent('drained')).toMatchObject({ cut: 1 });
  });
});
