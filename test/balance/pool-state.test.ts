import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PoolState } from '../../src/balance/pool-state.ts';
import type { RaceOrder, RaceReport } from '../_util/health-acquire-worker.ts';

describe('the shared state of a pool', () => {
  test('both sides of a buffer see the same', () => {
    const main = PoolState.create(3, 2);
    const worker = new PoolState(main.buffer);
    main.setState(1, 'ejected');
    main.setWeight(1, 512);
    worker.acquire(1, 0, 1);
    expect([worker.slots, worker.workers]).toEqual([3, 2]);
    expect([worker.stateOf(0), worker.stateOf(1), worker.weightOf(1)]).toEqual(['unused', 'ejected', 512]);
    expect(main.activeOf(1)).toBe(1);
  });

  test.each(['unused', 'up', 'down', 'ejected', 'drain', 'maint'] as const)('a slot can be %s', (name) => {
    const state = PoolState.create(1, 1);
    state.setState(0, name);
    expect(state.stateOf(0)).toBe(name);
  });

  test('a buffer of another kind is refused', () => {
    expect(() => new PoolState(new SharedArrayBuffer(64))).toThrow(RangeError);
    const { buffer } = PoolState.create(2, 2);
    const longer = new SharedArrayBuffer(buffer.byteLength + 4);
    new Uint8Array(longer).set(new Uint8Array(buffer));
    expect(() => new PoolState(longer)).toThrow(RangeError);
  });

  test.each([-1, 3, 0.5 + 3, Number.NaN])('slot %d and worker %d of three are refused', (index) => {
    const state = PoolState.create(3, 3);
    expect(() => state.stateOf(index)).toThrow(RangeError);
    expect(() => state.acquire(0, 0, index)).toThrow(RangeError);
    expect(state.activeOf(0)).toBe(0);
  });

  test('at the limit nobody is let in, below it one more is', () => {
    const state = PoolState.create(1, 2);
    expect([state.acquire(0, 2, 0), state.acquire(0, 2, 1), state.acquire(0, 2, 0)]).toEqual([true, true, false]);
    state.release(0, 1);
    expect(state.acquire(0, 2, 0)).toBe(true);
    expect(state.activeOf(0)).toBe(2);
  });

  test('a limit of 0 is none', () => {
    const state = PoolState.create(1, 1);
    for (let i = 0; i < 1_000; i += 1) expect(state.acquire(0, 0, 0)).toBe(true);
    expect(state.activeOf(0)).toBe(1_000);
  });

  test('a connection that was not acquired cannot be released', () => {
    const state = PoolState.create(1, 2);
    state.acquire(0, 0, 0);
    expect(() => state.release(0, 1)).toThrow(RangeError);
    expect(() => state.releaseConnection(0)).toThrow(RangeError);
    expect(state.activeOf(0)).toBe(1);
  });

  test('the connections of the service are limited apart from those of its members', () => {
    const state = PoolState.create(1, 2);
    expect([state.acquireConnection(1, 0), state.acquireConnection(1, 1)]).toEqual([true, false]);
    expect([state.connections(), state.activeOf(0)]).toEqual([1, 0]);
    state.releaseConnection(0);
    expect(state.connections()).toBe(0);
  });

  test('what a dead worker held is given back, and nothing of the others', () => {
    const state = PoolState.create(2, 2);
    for (const worker of [0, 1, 1]) {
      state.acquireConnection(0, worker);
      state.acquire(0, 0, worker);
      state.acquire(1, 0, worker);
    }
    state.releaseWorker(1);
    expect([state.connections(), state.activeOf(0), state.activeOf(1)]).toEqual([1, 1, 1]);
    state.release(0, 0);
    expect(state.activeOf(0)).toBe(0);
  });

  test('failures count up in a row, a success ends the row', () => {
    const state = PoolState.create(2, 1);
    expect([state.recordFailure(0), state.recordFailure(0), state.failuresOf(0)]).toEqual([1, 2, 2]);
    state.recordSuccess(0);
    expect([state.recordFailure(0), state.failuresOf(1)]).toEqual([1, 0]);
  });

  test('tickets number every call', () => {
    const main = PoolState.create(1, 1);
    const worker = new PoolState(main.buffer);
    expect([main.nextTicket(), worker.nextTicket(), main.nextTicket()]).toEqual([0, 1, 2]);
  });

  test('whatever is acquired and released, the counts are those of a simple model', () => {
    const step = fc.record({
      isAcquire: fc.boolean(),
      slot: fc.nat(2),
      worker: fc.nat(2),
      limit: fc.nat(4),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const state = PoolState.create(3, 3);
        const held = [0, 1, 2].map(() => [0, 0, 0]);
        for (const { isAcquire, slot, worker, limit } of steps) {
          const row = held[slot] ?? [];
          const total = row.reduce((sum, count) => sum + count, 0);
          if (isAcquire) {
            const fits = limit === 0 || total < limit;
            expect(state.acquire(slot, limit, worker)).toBe(fits);
            if (fits) row[worker] = (row[worker] ?? 0) + 1;
          } else if ((row[worker] ?? 0) > 0) {
            state.release(slot, worker);
            row[worker] = (row[worker] ?? 0) - 1;
          } else {
            expect(() => state.release(slot, worker)).toThrow(RangeError);
          }
          expect(state.activeOf(slot)).toBe(row.reduce((sum, count) => sum + count, 0));
        }
      }),
      { seed: 3, numRuns: 100 },
    );
  });

  test('four threads that race for three places never hold four, and lose no count', async () => {
    const state = PoolState.create(3, 4);
    const witness = new SharedArrayBuffer(8);
    const rounds = 20_000;
    const reports = await Promise.all(
      [0, 1, 2, 3].map(async (worker): Promise<RaceReport> => {
        const order: RaceOrder = { buffer: state.buffer, witness, worker, limit: 3, rounds };
        const thread = new Worker(new URL('../_util/health-acquire-worker.ts', import.meta.url), { workerData: order });
        const [report] = (await once(thread, 'message')) as [RaceReport];
        await once(thread, 'exit');
        return report;
      }),
    );
    const [holding, most] = new Int32Array(witness);
    expect(holding).toBe(0);
    expect(most).toBeLessThanOrEqual(3);
    expect(state.activeOf(0)).toBe(0);
    for (const { taken } of reports) expect(taken).toBeGreaterThan(0);

    const streaks = reports.flatMap(({ failures }) => failures).sort((a, b) => a - b);
    expect(streaks).toEqual(Array.from({ length: 4 * rounds }, (_, i) => i + 1));

    expect(state.activeOf(2)).toBe(4);
    state.releaseWorker(3);
    expect(state.activeOf(2)).toBe(3);
  });
});
