import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, type ScriptBackend, saying, unmodified } from '../_util/icap-script-backend.ts';
import type { ScriptedExchange } from '../_util/icap-script-connection.ts';
import { answer, options, reqmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

type Scenario =
  | 'configured'
  | 'advertised'
  | 'depth'
  | 'late'
  | 'left'
  | 'saturated'
  | 'least'
  | 'affinity'
  | 'sick'
  | 'failing';

const REQUEST = reqmod({ preview: 64, body: 'document' });

let rig: Rig<Scenario>;

beforeAll(async () => {
  const one = [{ 'max-connections': 1 }];
  const ejecting = { retry: '5xx', outliers: { 'consecutive-failures': 3, eject: '1h', 'max-ejected': '50%' } };
  rig = await startRig<Scenario>(
    {
      configured: { backends: [{ 'max-connections': 2 }] },
      advertised: {},
      depth: { backends: one, config: { limits: { queue: 1, 'queue-timeout': '30s' } } },
      late: { backends: one, config: { limits: { 'queue-timeout': '200ms' } } },
      left: { backends: one },
      saturated: { backends: [{}, {}], spread: true },
      least: { backends: [{}, {}], spread: true, config: { balance: 'least-connections' } },
      affinity: { backends: [{}, {}, {}, {}], spread: true, config: { balance: 'header-hash:X-Client-IP' } },
      sick: { backends: [{}, {}], config: ejecting },
      failing: { backends: [{}, {}], config: ejecting },
    },
    { workers: 2 },
  );
  rig.backend('advertised').optionsScript = saying('Methods: REQMOD', 'Max-Connections: 4', 'Options-TTL: 3600');
});

afterAll(() => rig[Symbol.asyncDispose]());

interface Holder {
  /** Answers all that wait, and everything from here on. */
  release(): void;
}

/** Makes a backend keep its requests waiting. */
function hold(backend: ScriptBackend): Holder {
  const { promise, resolve } = Promise.withResolvers<void>();
  backend.script = async (exchange: ScriptedExchange) => {
    await exchange.body();
    await promise;
    exchange.send(answer(204));
  };
  return { release: resolve };
}

function ask(service: Scenario, count: number): Promise<{ readonly status: number }>[] {
  return Array.from({ length: count }, () => rig.ask(service, REQUEST));
}

async function statuses(asked: readonly Promise<{ readonly status: number }>[]): Promise<number[]> {
  return (await Promise.all(asked)).map(({ status }) => status);
}

function all204(count: number): number[] {
  return Array.from({ length: count }, () => 204);
}

describe('a backend’s limit', () => {
  test('as configured holds over all workers; who finds it full waits', async () => {
    const backend = rig.backend('configured');
    const { release } = hold(backend);
    const asked = ask('configured', 12);
    await backend.exchange(1);
    await expect.poll(() => rig.gateway.metric('icapgw_icap_queue_depth', { service: 'configured' })).toBe(10);
    release();
    expect(await statuses(asked)).toEqual(all204(12));
    expect(backend.peak).toBe(2);
    await expect.poll(() => rig.gateway.metric('icapgw_icap_queue_depth', { service: 'configured' })).toBe(0);
  });

  test('as it says itself holds too, less one connection for its health checks', async () => {
    const backend = rig.backend('advertised');
    expect((await rig.ask('advertised', options())).field('max-connections')).toBe('3');
    const { release } = hold(backend);
    const asked = ask('advertised', 9);
    await backend.exchange(2);
    await expect.poll(() => rig.gateway.metric('icapgw_icap_queue_depth', { service: 'advertised' })).toBe(6);
    release();
    expect(await statuses(asked)).toEqual(all204(9));
    expect(backend.peak).toBe(3);
  });
});

describe('the queue', () => {
  test('refuses with 503 whom it has no room for', async () => {
    const backend = rig.backend('depth');
    const { release } = hold(backend);
    const first = ask('depth', 1);
    await backend.exchange(0);
    const second = ask('depth', 1);
    await expect.poll(() => rig.gateway.metric('icapgw_icap_queue_depth', { service: 'depth' })).toBe(1);
    expect((await rig.ask('depth', REQUEST)).status).toBe(503);
    release();
    expect(await statuses([...first, ...second])).toEqual([204, 204]);
    // Each worker tells in batches of its own, so the order is not theirs.
    expect(await rig.access('depth', 3)).toContainEqual(
      expect.objectContaining({ status: 503, verdict: 'error', backend: null }),
    );
  });

  test('lets nobody wait longer than queue-timeout', async () => {
    const backend = rig.backend('late');
    const { release } = hold(backend);
    const first = ask('late', 1);
    await backend.exchange(0);
    expect((await rig.ask('late', REQUEST)).status).toBe(503);
    release();
    expect(await statuses(first)).toEqual([204]);
    expect(backend.exchanges).toHaveLength(1);
  });

  test('forgets a client that leaves', async () => {
    const backend = rig.backend('left');
    const { release } = hold(backend);
    const first = ask('left', 1);
    await backend.exchange(0);
    await using leaving = await rig.connect('left');
    await leaving.send(REQUEST);
    await expect.poll(() => rig.gateway.metric('icapgw_icap_queue_depth', { service: 'left' })).toBe(1);
    leaving.reset();
    await expect.poll(() => rig.gateway.metric('icapgw_icap_queue_depth', { service: 'left' })).toBe(0);
    release();
    expect(await statuses([...first, ...ask('left', 2)])).toEqual(all204(3));
    expect(backend.exchanges).toHaveLength(3);
  });
});

describe('the choice of a backend', () => {
  test('spares one that answered 503 for a while', async () => {
    const full = rig.backend('saturated', 0);
    full.script = answering(answer(503, ['Retry-After: 1']));
    while (full.exchanges.length === 0) expect((await rig.ask('saturated', REQUEST)).status).toBe(204);
    full.script = unmodified;
    const { length } = full.exchanges;
    for (let turn = 0; turn < 6; turn += 1) expect((await rig.ask('saturated', REQUEST)).status).toBe(204);
    expect(full.exchanges).toHaveLength(length);
    // It is not sick, and comes back by itself.
    const isBack = async (): Promise<boolean> => {
      await rig.ask('saturated', REQUEST);
      return full.exchanges.length > length;
    };
    await expect.poll(isBack, { timeout: 10_000, interval: 100 }).toBe(true);
    const labels = { service: 'saturated', backend: 'backend-0' };
    expect(await rig.gateway.metric('icapgw_backend_up', labels)).toBe(1);
  });

  test('by least-connections counts transactions, not connections', async () => {
    const { release } = hold(rig.backend('least', 0));
    const asked: Promise<{ readonly status: number }>[] = [];
    while (rig.backend('least', 0).exchanges.length === 0) {
      asked.push(...ask('least', 1));
      await Promise.race([...asked.slice(-1), rig.backend('least', 0).exchange(0)]);
    }
    for (let turn = 0; turn < 6; turn += 1) expect((await rig.ask('least', REQUEST)).status).toBe(204);
    expect(rig.backend('least', 0).exchanges).toHaveLength(1);
    release();
    await statuses(asked);
  });

  test('by header-hash keeps equal values together', async () => {
    const placeOf = async (address: string): Promise<number> => {
      const counts = (): number[] => [0, 1, 2, 3].map((index) => rig.backend('affinity', index).exchanges.length);
      const before = counts();
      await rig.ask('affinity', reqmod({ lines: [`x-client-ip: ${address}`], preview: 0 }));
      return counts().findIndex((count, index) => count > (before[index] ?? 0));
    };
    const places = new Set<number>();
    for (let host = 1; host <= 12; host += 1) {
      const place = await placeOf(`10.0.0.${host}`);
      expect(await placeOf(`10.0.0.${host}`)).toBe(place);
      places.add(place);
    }
    expect(places.size).toBeGreaterThan(1);
  });
});

describe('a backend is ejected', () => {
  test.each([
    ['sick', 'resets', (exchange: ScriptedExchange) => exchange.reset()],
    ['failing', 'answers 500', answering(answer(500))],
  ] as const)('%s: after it often %s, and no request fails', async (service, _, script) => {
    rig.backend(service).script = script;
    for (let turn = 0; turn < 3; turn += 1) expect((await rig.ask(service, REQUEST)).status).toBe(204);
    await rig.gateway.waitForEvent('backend-state', (event) => event.service === service && event.to === 'ejected');
    const { length } = rig.backend(service).exchanges;
    for (let turn = 0; turn < 3; turn += 1) expect((await rig.ask(service, REQUEST)).status).toBe(204);
    expect(rig.backend(service).exchanges).toHaveLength(length);
  });
});
