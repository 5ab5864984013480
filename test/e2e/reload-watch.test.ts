import { expect, test } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { laterEvent, rewriteConfig } from '../_util/e2e-reload.ts';
import { dialTunnel, receive, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

test('with --watch, a changed configuration is in force without a signal, and a broken one changes nothing', async () => {
  await using first = await startTunnelBackend();
  await using second = await startTunnelBackend();
  await using gateway = await startGateway(tunnelConfig([{ address: first.address }]), ['--watch']);
  const port = gateway.port('tunnel');
  const exchange = async (): Promise<string> => {
    const socket = dialTunnel(port);
    socket.end('hello');
    return (await receive(socket)).toString();
  };
  expect(await exchange()).toBe('hello');

  rewriteConfig(gateway, 'services: [');
  expect(await laterEvent(gateway, 0, ['reloaded', 'reload-failed'])).toMatchObject({ event: 'reload-failed' });
  expect(await exchange()).toBe('hello');
  expect(first.served()).toBe(2);

  const from = gateway.events.length;
  rewriteConfig(gateway, tunnelConfig([{ address: second.address }]));
  expect(await laterEvent(gateway, from, ['reloaded', 'reload-failed'])).toMatchObject({ event: 'reloaded' });
  expect(await exchange()).toBe('hello');
  expect(second.served()).toBe(1);
});
