import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { beforeEach, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { Gateway } from '../../src/runtime/gateway.ts';
import { loadMaterial } from '../../src/runtime/material.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { ask, dialTunnel, receive, startTunnelBackend, tunnelConfig } from '../_util/e2e-tunnel.ts';
import { createLog } from '../_util/observe-log.ts';
import { parsePrometheus, sampleOf } from '../_util/observe-prometheus.ts';

const threads = vi.hoisted(() => ({ started: [] as Worker[] }));

vi.mock('node:worker_threads', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:worker_threads')>();
  class WatchedWorker extends original.Worker {
    constructor(...args: ConstructorParameters<typeof original.Worker>) {
      super(...args);
      threads.started.push(this);
    }
  }
  return { ...original, Worker: WatchedWorker };
});

beforeEach(() => {
  threads.started.length = 0;
});

/** Starts a gateway of two workers in this process. */
async function startHere(log: Awaited<ReturnType<typeof createLog>>['log'], backend: string): Promise<Gateway> {
  const text = JSON.stringify({
    ...tunnelConfig([{ name: 'echo', address: backend }]),
    admin: { listen: '127.0.0.1:0' },
  });
  using folder = createConfigFolder({ 'gateway.yaml': text });
  const { config, lineOf } = loadConfig(join(folder.path, 'gateway.yaml'));
  if (config === undefined) throw new Error('the configuration of this test is wrong');
  const { services } = loadMaterial(config, lineOf);
  const sinks = { log, access: undefined, spans: undefined };
  return Gateway.start({
    ...sinks,
    config,
    material: services,
    version: 'test',
    adminToken: undefined,
    feed: undefined,
    host: 'run',
  });
}

test('a worker that dies is replaced and counted, and what it held is given back', async () => {
  await using backend = await startTunnelBackend();
  await using recorded = await createLog();
  const told = vi.spyOn(recorded.log, 'log');
  {
    await using gateway = await startHere(recorded.log, backend.address);
    const [listening] = gateway.current.addresses[0] ?? [];
    if (listening?.kind !== 'tcp') throw new Error('nothing listens');
    const { port } = listening;
    const value = async (name: string, labels: Record<string, string>): Promise<number> =>
      sampleOf(parsePrometheus(await (await fetch(`${gateway.adminUrl}/metrics`)).text()), name, labels);
    // Enough for both workers to hold some.
    const held = Array.from({ length: 20 }, () => dialTunnel(port));
    await Promise.all(
      held.map(async (client) => {
        client.write('x');
        await new Promise((resolve) => client.once('data', resolve));
      }),
    );
    const service = { service: 'tunnel' };
    expect(await value('icapgw_connections_active', service)).toBe(20);

    const victim = threads.started[1];
    await victim?.terminate();
    await vi.waitFor(() => expect(told).toHaveBeenCalledWith('worker-started', { worker: 1 }), { timeout: 5000 });
    expect(threads.started).toHaveLength(3);
    expect(await value('icapgw_worker_restarts_total', {})).toBe(1);
    const closed = await vi.waitFor(async () => {
      const gone = held.filter((client) => client.readableEnded || client.destroyed).length;
      expect(await value('icapgw_connections_active', service)).toBe(20 - gone);
      expect(gone).toBeGreaterThan(0);
      return gone;
    });
    expect(closed).toBeLessThan(20);
    expect(await value('icapgw_backend_connections_active', { ...service, backend: 'echo' })).toBe(20 - closed);
    for (let turn = 0; turn < 20; turn += 1) expect(await ask(port)).toBe('ping');
    const survivors = held.filter((client) => !(client.readableEnded || client.destroyed));
    const ends = Promise.all(survivors.map(receive));
    for (const client of survivors) client.end();
    await ends;
    for (const client of held) client.destroy();
    await vi.waitFor(async () => expect(await value('icapgw_connections_active', service)).toBe(0));
  }
  const events = await recorded.events();
  expect(events.filter(({ event }) => event === 'worker-died')).toMatchObject([{ worker: 1 }]);
});
