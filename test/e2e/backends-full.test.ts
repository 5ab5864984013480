import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { ask, dialTunnel, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

test('a client for whom there is no place is reset as soon as it is known, and the others go on', async () => {
  await using backend = await startTunnelBackend();
  const backends = [{ address: backend.address, 'max-connections': 1 }];
  await using gateway = await startGateway(tunnelConfig(backends, { health: { type: 'none' } }));
  const holder = dialTunnel(gateway.port('tunnel'));
  holder.write('one');
  expect(String((await once(holder, 'data'))[0])).toBe('one');
  for (let turn = 0; turn < 10; turn += 1) expect(await ask(gateway.port('tunnel'))).toBe('');
  holder.write('two');
  expect(String((await once(holder, 'data'))[0])).toBe('two');
  holder.destroy();
  expect(gateway.events.some(({ event }) => event === 'worker-died')).toBe(false);
});
