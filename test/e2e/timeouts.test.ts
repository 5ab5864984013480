import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { dialTunnel, receive, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

test('an idle connection is cut after timeouts.idle', async () => {
  await using backend = await startTunnelBackend();
  const config = tunnelConfig([{ address: backend.address }], { timeouts: { idle: '300ms' } });
  await using gateway = await startGateway(config);
  const client = dialTunnel(gateway.port('tunnel'));
  client.write('x');
  await receive(client);
  expect(await gateway.waitForEvent('connection-closed')).toMatchObject({ reason: 'idle-timeout' });
});

test('a side that does not follow the other is cut after timeouts.close', async () => {
  await using backend = await startTunnelBackend((socket) => socket.resume());
  const config = tunnelConfig([{ address: backend.address }], { timeouts: { close: '200ms' } });
  await using gateway = await startGateway(config);
  const client = dialTunnel(gateway.port('tunnel'));
  client.end('x');
  await receive(client);
  expect(await gateway.waitForEvent('connection-closed')).toMatchObject({ reason: 'close-timeout' });
});

test('a client that does not shake hands is cut after timeouts.handshake', async () => {
  await using backend = await startTunnelBackend();
  const config = tunnelConfig([{ address: backend.address }], { timeouts: { handshake: '200ms' } });
  await using gateway = await startGateway(config);
  const client = connect(gateway.port('tunnel'), '127.0.0.1');
  client.on('error', () => client.destroy());
  await new Promise<void>((resolve) => client.once('close', () => resolve()));
  expect(await gateway.waitForEvent('handshake-failed')).toMatchObject({ reason: 'timeout' });
  expect(await gateway.metric('icapgw_connections_active', { service: 'tunnel' })).toBe(0);
});
