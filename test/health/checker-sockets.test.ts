import { expect, test, vi } from 'vitest';
import { PoolState } from '../../src/balance/pool-state.ts';
import { Checker } from '../../src/health/checker.ts';
import { createProbe } from '../../src/health/create-probe.ts';
import { createDial, startProbedServer } from '../_util/health-server.ts';
import { expectation } from '../_util/health-target.ts';

test('a server that stops answering is taken out, although it still accepts, and comes back when it answers', async () => {
  let isWell = true;
  await using server = await startProbedServer((socket) => {
    socket.once('data', () => {
      socket.end(isWell ? 'ICAP/1.0 200 OK\r\n\r\n' : '');
    });
  });
  const onStateChange = vi.fn();
  const onCheck = vi.fn();
  const state = PoolState.create(1, 1);
  using checker = new Checker({
    ...{ state, administrative: new Map(), random: Math.random, onStateChange, onCheck },
    settings: { intervalMs: 5, timeoutMs: 10_000, rise: 2, fall: 2, jitter: 0.5, ejectMs: 1_000, slowStartMs: 0 },
    outliers: { consecutiveFailures: 5, maxEjected: 0.5 },
  });
  const { dial } = createDial(server.port);
  checker.setMembers([
    {
      ...{ slot: 0, backend: 0, priority: 0, weight: 1, maxConnections: 0, key: 'dlp', backendName: 'dlp' },
      addressText: `127.0.0.1:${server.port}`,
      probe: createProbe('icap', { dial, icap: expectation({ path: '/reqmod' }) }),
    },
  ]);
  await vi.waitFor(() => expect(onCheck).toHaveBeenCalledWith(expect.objectContaining({ result: 'success' })));
  isWell = false;
  await vi.waitFor(() => expect(state.stateOf(0)).toBe('down'));
  isWell = true;
  await vi.waitFor(() => expect(state.stateOf(0)).toBe('up'));
  expect(onStateChange.mock.calls.map(([{ from, to, reason }]) => `${from} > ${to}: ${reason}`)).toEqual([
    'up > down: 2 probes in a row failed, last: reset (closed the connection without an answer)',
    'down > up: 2 probes in a row passed',
  ]);
});
