import { expect, test } from 'vitest';
import { startBlackHole } from '../_util/black-hole.ts';
import { startGateway } from '../_util/e2e-gateway.ts';
import { ask, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

test('a backend that accepts and never answers is found by asking it in ICAP', async () => {
  await using silent = await startTunnelBackend(() => {});
  await using well = await startTunnelBackend((socket) => {
    socket.on('data', (bytes) => {
      const isProbe = bytes.toString().startsWith('OPTIONS ');
      socket.end(
        isProbe ? 'ICAP/1.0 200 OK\r\nMethods: REQMOD\r\nISTag: "1"\r\nEncapsulated: null-body=0\r\n\r\n' : bytes,
      );
    });
  });
  const backends = [
    { name: 'silent', address: silent.address, priority: 0 },
    { name: 'well', address: well.address, priority: 1 },
  ];
  const health = { type: 'icap', interval: '200ms', timeout: '300ms', rise: 1, fall: 2 };
  await using gateway = await startGateway(tunnelConfig(backends, { health }));
  const change = await gateway.waitForEvent(
    'backend-state',
    ({ backend, to }) => backend === 'silent' && to === 'down',
  );
  expect(change.reason).toMatch(/300 ms|in time|timeout/);
  expect(await ask(gateway.port('tunnel'))).toBe('ping');
  expect(await gateway.metric('icapgw_backend_state', { backend: 'silent', state: 'down' })).toBe(1);
});

test('a backend that does not take the connection is given up within the connect timeout', async () => {
  await using hole = await startBlackHole();
  await using well = await startTunnelBackend();
  const backends = [
    { name: 'hole', address: `127.0.0.1:${hole.port}`, priority: 0 },
    { name: 'well', address: well.address, priority: 1 },
  ];
  const more = { health: { type: 'none' }, timeouts: { connect: '400ms' } };
  await using gateway = await startGateway(tunnelConfig(backends, more));
  const startedMs = performance.now();
  expect(await ask(gateway.port('tunnel'))).toBe('ping');
  expect(performance.now() - startedMs).toBeGreaterThan(390);
  expect(performance.now() - startedMs).toBeLessThan(4000);
  expect(await gateway.waitForEvent('backend-failed')).toMatchObject({
    backend: 'hole',
    reason: 'timeout',
    next: true,
  });
});
