import { describe, expect, test } from 'vitest';
import { PoolState } from '../../src/balance/pool-state.ts';

const SAME = (slot: number): number => slot;

describe('what sessions of an earlier pool hold', () => {
  test('counts in the one that follows it, in the slots of the same members', () => {
    const earlier = PoolState.create(3, 2);
    const next = PoolState.create(2, 2);
    earlier.acquireConnection(0, 1);
    earlier.acquire(0, 0, 0);
    earlier.acquire(1, 0, 1);
    earlier.acquire(2, 0, 1);
    // The first one is gone, the others are the other way round.
    next.carry(earlier, (slot) => [undefined, 1, 0][slot]);
    expect([next.connections(), next.activeOf(0), next.activeOf(1)]).toEqual([1, 1, 1]);
    expect([next.idleOf(0), next.hasIdle(0, 0)]).toEqual([0, false]);
  });

  test('is held against limits that came later', () => {
    const earlier = PoolState.create(1, 1);
    const next = PoolState.create(1, 1);
    earlier.acquireConnection(0, 0);
    earlier.acquire(0, 0, 0);
    next.carry(earlier, SAME);
    expect([next.acquire(0, 1, 0), next.acquireConnection(1, 0)]).toEqual([false, false]);
    expect([next.acquire(0, 2, 0), next.acquireConnection(2, 0)]).toEqual([true, true]);
    earlier.release(0, 0);
    earlier.releaseConnection(0);
    next.carry(earlier, SAME);
    expect([next.activeOf(0), next.connections()]).toEqual([1, 1]);
  });

  test('goes on through one pool after the other, and does not count twice', () => {
    const [first, second, third] = [PoolState.create(1, 1), PoolState.create(1, 1), PoolState.create(1, 1)];
    first.acquire(0, 0, 0);
    second.acquire(0, 0, 0);
    for (let turn = 0; turn < 2; turn += 1) {
      second.carry(first, SAME);
      third.carry(second, SAME);
    }
    expect([second.activeOf(0), third.activeOf(0)]).toEqual([2, 2]);
  });

  test('that were idle is left out: they are about to be closed', () => {
    const earlier = PoolState.create(1, 1);
    const next = PoolState.create(1, 1);
    earlier.acquire(0, 0, 0);
    earlier.giveIdle(0, 0);
    next.carry(earlier, SAME);
    expect([next.openOf(0), next.activeOf(0)]).toEqual([0, 0]);
  });

  test('wakes whoever waits for a place when it becomes less', async () => {
    const earlier = PoolState.create(1, 1);
    const next = PoolState.create(1, 1);
    earlier.acquire(0, 0, 0);
    next.carry(earlier, SAME);
    next.enqueue(1, 0);
    const woken = next.waitForChange();
    earlier.release(0, 0);
    next.carry(earlier, SAME);
    await woken;
    expect(next.acquire(0, 1, 0)).toBe(true);
  });

  test('goes when there is nothing left of it, whatever a dead worker held', () => {
    const earlier = PoolState.create(1, 2);
    const next = PoolState.create(1, 2);
    earlier.acquire(0, 0, 1);
    next.carry(earlier, SAME);
    next.releaseWorker(1);
    expect(next.activeOf(0)).toBe(1);
    earlier.releaseWorker(1);
    next.carry(earlier, SAME);
    expect(next.activeOf(0)).toBe(0);
  });
});

describe('a pool is unused', () => {
  test('when no worker has a client, nor a connection in use or idle', () => {
    const pool = PoolState.create(2, 2);
    expect(pool.isUnused()).toBe(true);
    pool.acquireConnection(0, 1);
    expect(pool.isUnused()).toBe(false);
    pool.acquire(1, 0, 1);
    pool.releaseConnection(1);
    expect(pool.isUnused()).toBe(false);
    pool.giveIdle(1, 1);
    expect(pool.isUnused()).toBe(false);
    pool.dropIdle(1, 1);
    expect(pool.isUnused()).toBe(true);
  });

  test('also while it has taken over what others hold', () => {
    const earlier = PoolState.create(1, 1);
    const pool = PoolState.create(1, 1);
    earlier.acquireConnection(0, 0);
    earlier.acquire(0, 0, 0);
    pool.carry(earlier, SAME);
    expect([pool.isUnused(), earlier.isUnused()]).toEqual([true, false]);
  });
});
