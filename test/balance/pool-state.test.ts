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
    expect(() => PoolState.create(0, 1)).toThrow(RangeError);
    expect(() => PoolState.create(1, 0)).toThrow(RangeError);
  });

  test.each([-1, 3, 0.5 + 3, Number.NaN])('slot %d and worker %d of three are refused', (index) => {
    const state = PoolState.create(3, 3);
    expect(() => state.stateOf(index)).toThrow(`no slot ${index} in a pool of 3`);
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
      state.acquire(1, 0, worker);
      state.giveIdle(1, worker);
      state.enqueue(9, worker);
    }
    state.releaseWorker(1);
    expect([state.connections(), state.queued()]).toEqual([1, 1]);
    expect([state.activeOf(0), state.activeOf(1), state.idleOf(1)]).toEqual([1, 1, 1]);
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

  test('an idle connection counts against the limit, but not as one in use', () => {
    const state = PoolState.create(1, 2);
    state.acquire(0, 2, 0);
    state.acquire(0, 2, 0);
    state.giveIdle(0, 0);
    expect([state.activeOf(0), state.idleOf(0), state.openOf(0)]).toEqual([1, 1, 2]);
    expect([state.hasIdle(0, 0), state.hasIdle(0, 1)]).toEqual([true, false]);
    expect(state.acquire(0, 2, 1)).toBe(false);
    state.dropIdle(0, 0);
    expect(state.acquire(0, 2, 1)).toBe(true);
  });

  test('only the worker that has an idle connection can take or close it', () => {
    const state = PoolState.create(1, 2);
    state.acquire(0, 0, 0);
    state.giveIdle(0, 0);
    expect(() => state.takeIdle(0, 1)).toThrow(RangeError);
    expect(() => state.dropIdle(0, 1)).toThrow(RangeError);
    expect(() => state.release(0, 0)).toThrow(RangeError);
    expect(() => state.giveIdle(0, 0)).toThrow(RangeError);
    state.takeIdle(0, 0);
    expect([state.activeOf(0), state.idleOf(0)]).toEqual([1, 0]);
  });

  test('whatever is done with connections, the counts are those of a simple model', () => {
    const step = fc.record({
      kind: fc.constantFrom('acquire', 'release', 'takeIdle', 'giveIdle', 'dropIdle'),
      slot: fc.nat(2),
      worker: fc.nat(2),
      limit: fc.nat(4),
    });
    const sum = (row: readonly number[]) => row.reduce((total, count) => total + count, 0);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const state = PoolState.create(3, 3);
        const model = [0, 1, 2].map(() => ({ active: [0, 0, 0], idle: [0, 0, 0] }));
        for (const { kind, slot, worker, limit } of steps) {
          const { active, idle } = model[slot] ?? { active: [], idle: [] };
          const [ownActive, ownIdle] = [active[worker] ?? 0, idle[worker] ?? 0];
          const isFit = (kind === 'takeIdle' || kind === 'dropIdle' ? ownIdle : ownActive) > 0;
          if (kind === 'acquire') {
            const fits = limit === 0 || sum(active) + sum(idle) < limit;
            expect(state.acquire(slot, limit, worker)).toBe(fits);
            if (fits) active[worker] = ownActive + 1;
          } else if (!isFit) {
            expect(() => state[kind](slot, worker)).toThrow(RangeError);
          } else {
            state[kind](slot, worker);
            active[worker] = ownActive + { release: -1, takeIdle: 1, giveIdle: -1, dropIdle: 0 }[kind];
            idle[worker] = ownIdle + { release: 0, takeIdle: -1, giveIdle: 1, dropIdle: -1 }[kind];
          }
          expect([state.activeOf(slot), state.idleOf(slot)]).toEqual([sum(active), sum(idle)]);
          expect(state.hasIdle(slot, worker)).toBe((idle[worker] ?? 0) > 0);
        }
      }),
      { seed: 3, numRuns: 100 },
    );
  });

  test('the queue takes in as many as its limit says, over all workers', () => {
    const state = PoolState.create(1, 2);
    expect([state.enqueue(2, 0), state.enqueue(2, 1), state.enqueue(2, 0)]).toEqual([true, true, false]);
    expect(state.queued()).toBe(2);
    state.dequeue(1);
    expect([state.queued(), state.enqueue(2, 0)]).toEqual([1, true]);
    expect(() => state.dequeue(1)).toThrow(RangeError);
  });

  test('a queue of 0 takes nobody in', () => {
    expect(PoolState.create(1, 1).enqueue(0, 0)).toBe(false);
  });

  test('the limit in force is the lower one of the configured limit and the cap of a saturation', () => {
    const state = PoolState.create(1, 1);
    for (let i = 0; i < 10; i += 1) state.acquire(0, 0, 0);
    expect(state.limitOf(0)).toBe(0);
    state.recordSaturation(0, 0, 0);
    expect([state.limitOf(0), state.configuredLimitOf(0)]).toEqual([5, 0]);
    state.setLimit(0, 3);
    expect(state.limitOf(0)).toBe(3);
    state.setLimit(0, 100);
    expect([state.limitOf(0), state.configuredLimitOf(0)]).toEqual([5, 100]);
  });

  test('one overload is told by many answers and halves once; one that goes on halves again', () => {
    const state = PoolState.create(1, 1);
    for (let i = 0; i < 20; i += 1) state.acquire(0, 0, 0);
    for (let ms = 0; ms < 1_000; ms += 100) {
      state.recordSaturation(0, 7_000 + ms, 1_000);
      state.release(0, 0);
    }
    expect(state.limitOf(0)).toBe(10);
    state.recordSaturation(0, 8_000, 1_000);
    expect(state.limitOf(0)).toBe(5);
  });

  test('answers raise the limit once a second, in any number, until it is what it was', () => {
    const state = PoolState.create(1, 1);
    for (let i = 0; i < 6; i += 1) state.acquire(0, 0, 0);
    state.recordSaturation(0, 7_000, 1_000);
    const limits = [0, 500, 999, 1_000, 1_500, 1_999, 2_000, 3_000, 4_000].map((ms) => {
      state.recordAnswer(0, 7_000 + ms);
      state.recordAnswer(0, 7_000 + ms);
      return state.limitOf(0);
    });
    expect(limits).toEqual([3, 3, 3, 4, 4, 4, 5, 0, 0]);
  });

  test('a saturation right after a raise lowers the limit at once', () => {
    const state = PoolState.create(1, 1);
    for (let i = 0; i < 6; i += 1) state.acquire(0, 0, 0);
    state.recordSaturation(0, 7_000, 0);
    state.recordAnswer(0, 8_500);
    for (let i = 0; i < 2; i += 1) state.release(0, 0);
    state.recordSaturation(0, 8_600, 0);
    expect(state.limitOf(0)).toBe(2);
  });

  test('a lower saturation does not make the way back shorter', () => {
    const state = PoolState.create(1, 1);
    for (let i = 0; i < 8; i += 1) state.acquire(0, 0, 0);
    state.recordSaturation(0, 7_000, 0);
    for (let i = 0; i < 6; i += 1) state.release(0, 0);
    state.recordSaturation(0, 8_000, 0);
    const limits = [9_000, 10_000, 11_000, 12_000, 13_000, 14_000, 15_000].map((nowMs) => {
      state.recordAnswer(0, nowMs);
      return state.limitOf(0);
    });
    expect(limits).toEqual([2, 3, 4, 5, 6, 7, 0]);
  });

  test('a shorter pause does not end a longer one', () => {
    const state = PoolState.create(1, 1);
    state.recordSaturation(0, 7_000, 5_000);
    state.recordSaturation(0, 7_100, 1_000);
    expect([11_999, 12_000].map((nowMs) => state.isPaused(0, nowMs))).toEqual([true, false]);
  });

  test('a member rests for its pause', () => {
    const state = PoolState.create(2, 1);
    state.recordSaturation(0, 7_000, 2_000);
    expect([7_000, 8_999, 9_000].map((nowMs) => state.isPaused(0, nowMs))).toEqual([true, true, false]);
    expect(state.isPaused(1, 7_000)).toBe(false);
  });

  test.each(['down', 'ejected', 'maint', 'drain', 'unused'] as const)(
    'a slot that is %s forgets its saturation',
    (gone) => {
      const state = PoolState.create(1, 1);
      state.setState(0, 'up');
      state.recordSaturation(0, 7_000, 2_000);
      state.setState(0, 'up');
      expect([state.limitOf(0), state.isPaused(0, 7_000)]).toEqual([1, true]);
      state.setState(0, gone);
      state.setState(0, 'up');
      expect([state.limitOf(0), state.isPaused(0, 7_000)]).toEqual([0, false]);
    },
  );

  test('four threads that race for three places never hold four, and lose no count', async () => {
    const state = PoolState.create(3, 4);
    const witness = new SharedArrayBuffer(8);
    const rounds = 20_000;
    const reports = await Promise.all(
      [0, 1, 2, 3].map(async (worker): Promise<RaceReport> => {
        const order: RaceOrder = { buffer: state.buffer, witness, worker, limit: 3, rounds };
        const thread = new Worker(new URL('../_util/health-acquire-worker.ts', import.meta.url), { workerData: order });
        // A last message and the end may be told in the same turn.
        const end = once(thread, 'exit');
        const [report] = (await once(thread, 'message')) as [RaceReport];
        await end;
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
