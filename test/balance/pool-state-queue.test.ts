import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, test, vi } from 'vitest';
import type { Member } from '../../src/balance/policy.ts';
import { PoolState, WEIGHT_UNIT } from '../../src/balance/pool-state.ts';
import type { CrowdOrder, CrowdReport } from '../_util/balance-queue-worker.ts';

/** Whether the wait is over once everything that was due has happened. */
function isOver(wait: Promise<void>): Promise<boolean> {
  return Promise.race([wait.then(() => true), fewTurns().then(() => false)]);
}

/** The engine ends such waits in a task of its own, so one turn of the loop is not enough. */
async function fewTurns(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await setImmediate();
}

describe('waiting for a change of the pool', () => {
  test('ends at a wake, for all who wait', async () => {
    const state = PoolState.create(1, 1);
    const twin = new PoolState(state.buffer);
    const waits = [state.waitForChange(), state.waitForChange(), twin.waitForChange()];
    expect(await isOver(Promise.race(waits))).toBe(false);
    state.wake();
    await Promise.all(waits);
    expect(await isOver(state.waitForChange())).toBe(false);
  });

  test('any number of waits in one thread is one wait', () => {
    const state = PoolState.create(1, 1);
    expect(state.waitForChange()).toBe(state.waitForChange());
  });

  const CHANGES: Readonly<Record<string, (state: PoolState) => void>> = {
    release: (state) => state.release(0, 0),
    giveIdle: (state) => state.giveIdle(0, 0),
    dropIdle: (state) => state.dropIdle(1, 0),
    'a change of state': (state) => state.setState(0, 'up'),
    'another limit': (state) => state.setLimit(0, 3),
    'a raised cap': (state) => state.recordAnswer(2, 9_000),
    'one more that waits': (state) => state.enqueue(9, 1),
    'the end of a worker': (state) => state.releaseWorker(0),
  };

  function poolWithConnections(): PoolState {
    const state = PoolState.create(3, 2);
    for (const slot of [0, 1, 2]) state.acquire(slot, 0, 0);
    state.giveIdle(1, 0);
    state.acquire(2, 0, 0);
    state.acquire(2, 0, 0);
    state.recordSaturation(2, 7_000, 0);
    return state;
  }

  test.each(Object.entries(CHANGES))('ends at %s while somebody is queued', async (_name, change) => {
    const state = poolWithConnections();
    state.enqueue(9, 1);
    const wait = state.waitForChange();
    change(state);
    await wait;
  });

  test.each(Object.entries(CHANGES).filter(([name]) => name !== 'one more that waits'))(
    'goes on at %s while nobody is queued: nobody is to pay for it',
    async (_name, change) => {
      const state = poolWithConnections();
      const wait = state.waitForChange();
      change(state);
      expect(await isOver(wait)).toBe(false);
    },
  );

  test('goes on when an attempt at a full slot is refused', async () => {
    const state = PoolState.create(1, 1);
    state.acquire(0, 1, 0);
    state.enqueue(9, 0);
    const wait = state.waitForChange();
    state.acquire(0, 1, 0);
    expect(await isOver(wait)).toBe(false);
  });
});

describe('a place that comes free while an attempt on it is refused', () => {
  test('is told to whoever saw the attempt and took the slot for full', async () => {
    const state = PoolState.create(1, 2);
    const waiter = new PoolState(state.buffer);
    state.acquire(0, 1, 0);
    waiter.enqueue(9, 0);
    let wait: Promise<void> | undefined;
    const { sub } = Atomics;
    // What another thread may do just before the refused attempt is taken back.
    using _sub = vi.spyOn(Atomics, 'sub').mockImplementationOnce((...args) => {
      state.release(0, 0);
      expect(waiter.openOf(0)).toBe(1);
      wait = waiter.waitForChange();
      return Reflect.apply(sub, Atomics, args);
    });
    expect(state.acquire(0, 1, 1)).toBe(false);
    expect(waiter.openOf(0)).toBe(0);
    expect(wait).toBeDefined();
    await wait;
  });
});

describe('a crowd in several threads', () => {
  test('gets its turns without a lost wake-up, never above the limits, though idle connections hold places', async () => {
    const limits = [1, 2];
    const state = PoolState.create(limits.length, 4);
    const members = limits.map((limit, slot): Member => {
      state.setState(slot, 'up');
      state.setWeight(slot, WEIGHT_UNIT);
      state.setLimit(slot, limit);
      return { slot, backend: slot, priority: 0, weight: 1, maxConnections: limit, key: `${slot}` };
    });
    const witness = new SharedArrayBuffer(16);
    const [clients, rounds] = [5, 100];
    const reports = await Promise.all(
      [0, 1, 2, 3].map(async (worker): Promise<CrowdReport> => {
        const order: CrowdOrder = { buffer: state.buffer, witness, worker, members, clients, rounds };
        const thread = new Worker(new URL('../_util/balance-queue-worker.ts', import.meta.url), { workerData: order });
        // A last message and the end may be told in the same turn.
        const end = once(thread, 'exit');
        const [report] = (await once(thread, 'message')) as [CrowdReport];
        await end;
        state.releaseWorker(worker);
        return report;
      }),
    );
    expect(reports.map(({ served }) => served)).toEqual([500, 500, 500, 500]);
    expect(reports.reduce((sum, { waited }) => sum + waited, 0)).toBeGreaterThan(0);
    const [holding0, most0, holding1, most1] = new Int32Array(witness);
    expect([holding0, most0, holding1, most1]).toEqual([0, 1, 0, 2]);
    expect([state.queued(), state.openOf(0), state.openOf(1)]).toEqual([0, 0, 0]);
  });

  test('a thread that dies while it waits leaves neither a waiter nor the others waiting', async () => {
    const state = PoolState.create(1, 2);
    state.setState(0, 'up');
    state.setWeight(0, WEIGHT_UNIT);
    state.setLimit(0, 1);
    state.acquire(0, 1, 0);
    const members: Member[] = [{ slot: 0, backend: 0, priority: 0, weight: 1, maxConnections: 1, key: '0' }];
    const order: CrowdOrder = {
      ...{ buffer: state.buffer, witness: new SharedArrayBuffer(8), worker: 1, members, clients: 3, rounds: 1 },
    };
    state.enqueue(9, 0);
    const thread = new Worker(new URL('../_util/balance-queue-worker.ts', import.meta.url), { workerData: order });
    while (state.queued() < 4) await state.waitForChange();
    await thread.terminate();
    const wait = state.waitForChange();
    state.releaseWorker(1);
    await wait;
    expect([state.queued(), state.openOf(0)]).toEqual([1, 1]);
  });
});
