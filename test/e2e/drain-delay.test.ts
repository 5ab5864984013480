import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { dialTunnel, receive, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

describe('SIGTERM with a drain-delay', () => {
  test('is not ready at first and still accepts; then it drains', async () => {
    await using backend = await startTunnelBackend();
    const config = tunnelConfig([{ address: backend.address }], {}, { 'drain-delay': '1s' });
    await using gateway = await startGateway(config);
    gateway.signal('SIGTERM');
    expect(await gateway.waitForEvent('unready')).toMatchObject({ delayMs: 1000 });
    const response = await fetch(`${gateway.adminUrl}/readyz`);
    expect([response.status, await response.text()]).toEqual([503, 'not ready: draining\n']);

    const late = dialTunnel(gateway.port('tunnel'));
    late.end('came late');
    expect((await receive(late)).toString()).toBe('came late');
    expect(gateway.events.some(({ event }) => event === 'draining')).toBe(false);
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(await gateway.waitForEvent('drained')).toMatchObject({ cut: 0 });
  });

  test('given twice waits no longer', async () => {
    await using backend = await startTunnelBackend();
    const config = tunnelConfig([{ address: backend.address }], {}, { 'drain-delay': '10m', 'drain-timeout': '10m' });
    await using gateway = await startGateway(config);
    const client = dialTunnel(gateway.port('tunnel'));
    client.write('x');
    await once(client, 'data');
    gateway.signal('SIGTERM');
    await gateway.waitForEvent('unready');
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(await gateway.waitForEvent('drained')).toMatchObject({ cut: 1, services: ['tunnel 1'] });
  });
});
