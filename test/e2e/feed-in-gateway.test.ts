import { expect, test, vi } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { startTcpServer } from '../_util/tcp-server.ts';

test('a gateway takes findings beside its services, and never blocks its backends', async () => {
  await using backend = await startTcpServer((socket) => socket.end('backend'));
  await using gateway = await startGateway({
    services: [
      {
        name: 'dlp',
        listen: '127.0.0.1:0',
        protocol: 'tunnel',
        tls: 'off',
        backends: [{ address: `127.0.0.1:${backend.port}` }, { address: '203.0.113.77:1344', priority: 1 }],
        health: { type: 'none' },
      },
    ],
    feeds: { enforce: [], blockable: ['127.0.0.0/8'], guardduty: { host: '127.0.0.1', port: 0, token: 's3cret' } },
  });
  const { address } = await gateway.waitForEvent('feed-listening');
  const post = async (...addresses: readonly string[]): Promise<string | null> => {
    const response = await fetch(`http://${address}/api/?token=s3cret`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(addresses.map((remote_ip) => ({ remote_ip }))),
    });
    return response.headers.get('x-icapgw-result');
  };
  expect(await post('203.0.113.77', '127.0.0.1', '127.0.0.99', '198.51.100.0')).toBe(
    'blocked=2, extended=0, ignored=2',
  );
  expect(await gateway.metric('icapgw_feed_ignored_total', { reason: 'own' })).toBe(2);
  expect(await gateway.metric('icapgw_feed_addresses_total', { result: 'blocked' })).toBe(2);
  expect(await gateway.metric('icapgw_feed_requests_total', { code: '200' })).toBe(1);
  gateway.signal('SIGTERM');
  expect(await gateway.exited).toMatchObject({ code: 0 });
  await vi.waitFor(() => expect(fetch(`http://${address}/`)).rejects.toThrow());
});

test('without feeds nothing is told of one', async () => {
  await using backend = await startTcpServer((socket) => socket.end());
  const backends = [{ address: `127.0.0.1:${backend.port}` }];
  await using gateway = await startGateway({
    services: [{ name: 'dlp', listen: '127.0.0.1:0', protocol: 'tunnel', tls: 'off', backends }],
  });
  expect(await (await fetch(`${gateway.adminUrl}/metrics`)).text()).not.toMatch(/icapgw_(?:feed|smc)_/);
});
