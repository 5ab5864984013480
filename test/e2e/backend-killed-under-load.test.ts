import { expect, test } from 'vitest';
import { startGateway } from '../_util/e2e-gateway.ts';
import { ask, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';

const CALLERS = 8;

test('a backend killed under load costs no new connection, and is used again when it is back', async () => {
  await using stable = await startTunnelBackend();
  await using doomed = await startTunnelBackend();
  const backends = [
    { name: 'stable', address: stable.address },
    { name: 'doomed', address: doomed.address },
  ];
  await using gateway = await startGateway(tunnelConfig(backends, { outliers: { eject: '500ms' } }));
  const port = gateway.port('tunnel');
  let killed = false;
  let stop = false;
  let beforeKill = 0;
  const afterKill: string[] = [];
  const load = Promise.all(
    Array.from({ length: CALLERS }, async () => {
      while (!stop) {
        const isAfter = killed;
        const answer = await ask(port);
        if (isAfter) afterKill.push(answer);
        else beforeKill += 1;
        if (beforeKill === 100 && !killed) {
          await doomed[Symbol.asyncDispose]();
          killed = true;
        }
      }
    }),
  );
  const down = await gateway.waitForEvent('backend-state', ({ backend, to }) => backend === 'doomed' && to !== 'up');
  expect(down.reason).toMatch(/refused|in a row/);
  const servedWhenDown = stable.served();
  while (stable.served() < servedWhenDown + 100) await ask(port);
  stop = true;
  await load;
  expect(afterKill.length).toBeGreaterThan(0);
  expect(afterKill.filter((answer) => answer !== 'ping')).toEqual([]);

  const changes = gateway.events.filter(({ event }) => event === 'backend-state');
  const leaving = changes.filter((change) => 'from' in change && change.from === 'up');
  expect(leaving).toHaveLength(1);
  await using back = await startTunnelBackend(undefined, { port: doomed.port });
  await gateway.waitForEvent('backend-state', ({ backend, to }) => backend === 'doomed' && to === 'up');
  while (back.served() === 0) expect(await ask(port)).toBe('ping');
  expect(await gateway.metric('icapgw_backend_up', { backend: 'doomed' })).toBe(1);
});
