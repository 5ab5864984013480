import { lookup } from 'node:dns/promises';
import { expect, test } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { ask, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

const ADDRESSES = (await lookup('localhost', { all: true })).map(({ address }) => address);

test.each(ADDRESSES)('a backend called localhost is found where it listens on %s', async (host) => {
  await using backend = await startTunnelBackend(undefined, { host });
  const config = tunnelConfig([{ name: 'local', address: `localhost:${backend.port}` }]);
  await using gateway = await startGateway(config);
  for (let turn = 0; turn < 6; turn += 1) expect(await ask(gateway.port('tunnel'))).toBe('ping');
  expect(backend.served()).toBe(6);
  const { addresses } = await gateway.waitForEvent('backend-addresses');
  expect(addresses).toEqual(expect.arrayContaining([backend.address]));
});

test('an IPv6 address is used as it is written', async () => {
  await using backend = await startTunnelBackend(undefined, { host: '::1' });
  await using gateway = await startGateway(tunnelConfig([{ address: backend.address }], { listen: '[::1]:0' }));
  const answer = await ask(gateway.port('tunnel'), 'ping', '::1');
  expect(answer).toBe('ping');
});
