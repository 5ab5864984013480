import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test, vi } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { createResolver } from '../../src/health/resolver.ts';
import { CounterTotals } from '../../src/observe/counter-totals.ts';
import { WorkerCounters } from '../../src/observe/counters.ts';
import { Generation } from '../../src/runtime/generation.ts';
import { Generations } from '../../src/runtime/generations.ts';
import { loadMaterial } from '../../src/runtime/material.ts';
import { certificates } from '../_util/certificates.ts';
import { readConfig } from '../_util/config-text.ts';
import { createLog, type TestLog } from '../_util/observe-log.ts';

const lab = certificates();

/** Tunnels of these names, with backends that nobody watches. */
function configWith(...services: readonly string[]): Config {
  const { config, problems } = readConfig(
    JSON.stringify({
      services: services.map((name) => ({
        ...{
          name,
          listen: ':0',
          protocol: 'tunnel',
          tls: { cert: lab.server.cert, key: lab.server.key },
          health: { type: 'none' },
        },
        backends: [{ address: '127.0.0.1:1344' }],
      })),
    }),
  );
  if (config === undefined) throw new TypeError(JSON.stringify(problems));
  return config;
}

function createGeneration({ log }: TestLog, config: Config, earlier?: Generation): Generation {
  return new Generation({
    ...{ number: (earlier?.number ?? 0) + 1, config, earlier, log, workers: 2 },
    material: loadMaterial(config, () => 1).services,
    resolver: createResolver(config.resolver),
    tell: () => {},
    onCheck: () => {},
    onExpiries: () => {},
  });
}

function connectionsOf({ pools }: Generation): number | undefined {
  return pools[0]?.state.connections();
}

/** What is left of the generations of so many reloads, when nobody has a session. */
async function remembered(file: TestLog, reloads: number): Promise<readonly WeakRef<Generation>[]> {
  const all: WeakRef<Generation>[] = [];
  let last = createGeneration(file, configWith('one'));
  using generations = new Generations(last);
  for (let turn = 0; turn < reloads; turn += 1) {
    all.push(new WeakRef(last));
    const next = createGeneration(file, configWith('one', `another ${turn}`), last);
    await next.start();
    generations.prepare(next);
    generations.replace(next);
    last = next;
    await vi.advanceTimersByTimeAsync(1000);
  }
  collectGarbage();
  return all.filter((each) => each.deref() !== undefined);
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

test('a configuration without sessions is forgotten, and not kept by those after it', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] });
  await using file = await createLog();
  // References that were just looked at are kept until the turn is over.
  const left = await remembered(file, 8);
  vi.useRealTimers();
  expect(left.length).toBeLessThanOrEqual(2);
});

describe('a configuration that the workers are taking over', () => {
  test('is heard of by its number, until it is abandoned', async () => {
    await using file = await createLog();
    const first = createGeneration(file, configWith('one'));
    using generations = new Generations(first);
    const next = createGeneration(file, configWith('two'), first);
    expect(generations.find(2)).toBeUndefined();
    generations.prepare(next);
    expect(generations.find(2)).toBe(next);
    expect(generations.current).toBe(first);
    generations.abandon();
    expect(generations.find(2)).toBeUndefined();
  });

  test('gets back what a worker held in it already, when that dies over it', async () => {
    await using file = await createLog();
    const first = createGeneration(file, configWith('one'));
    using generations = new Generations(first);
    const next = createGeneration(file, configWith('one'), first);
    generations.prepare(next);
    next.pools[0]?.state.acquireConnection(0, 1);
    generations.releaseWorker(1);
    generations.replace(next);
    expect(connectionsOf(next)).toBe(0);
  });
});

test('no total goes back when another configuration comes into force', async () => {
  await using file = await createLog();
  const first = createGeneration(file, configWith('one'));
  using generations = new Generations(first);
  const next = createGeneration(file, configWith('one', 'two'), first);
  generations.prepare(next);
  await next.start();
  const totals = new CounterTotals(first.layout, first.buffer);
  // While the workers take it over, they count in the memory of the one before.
  new WorkerCounters(first.layout, first.buffer, 0).connectionAccepted(0);
  expect(totals.accepted(0)).toBe(1);
  generations.replace(next);
  totals.follow(next.layout, next.buffer);
  expect(totals.accepted(0)).toBe(1);
});

test('files are followed while sessions are left of the very service that a configuration left out', async () => {
  await using file = await createLog();
  const first = createGeneration(file, configWith('one', 'left'));
  using generations = new Generations(first);
  const next = createGeneration(file, configWith('one'), first);
  first.trust.start();
  for (const pool of first.pools) pool.state.acquireConnection(0, 1);
  generations.replace(next);
  const isFollowing = vi.spyOn(first.trust, 'follow');
  await vi.waitFor(() => expect(isFollowing).toHaveBeenCalled());
  expect(first.trust.isFollowing).toBe(true);
  first.pools[1]?.state.releaseConnection(1);
  await vi.waitFor(() => expect(first.trust.isFollowing).toBe(false));
  expect(generations.find(1)).toBe(first);
});
