import { describe, expect, test } from 'vitest';
import type { EngineHold, FeedEntry } from '../../../src/feeds/contract/feed-queue.ts';
import { dueAtMs, RelayClaims } from '../../../src/feeds/rabbitmq/relay-claims.ts';
import { delayFor, topologyOf } from '../../../src/feeds/rabbitmq/topology.ts';
import { sighting } from '../queue.contract.ts';

function entry(isPending: boolean, ...holds: readonly EngineHold[]): FeedEntry {
  return {
    ...sighting('198.51.100.0', { untilMs: 10_000 }),
    sinceMs: 0,
    isPending,
    engines: new Map(holds.map((hold, at) => [`NGFW ${at}`, hold])),
  };
}

function added(heldUntilMs: number): EngineHold {
  return { outcome: 'added', heldUntilMs };
}

describe('when there is something to do', () => {
  test.each([
    { name: 'for what nobody has relayed: at its time', entry: entry(true), notBeforeMs: 70, dueMs: 70 },
    {
      name: 'for what an engine holds for longer: never',
      entry: entry(false, added(10_000)),
      notBeforeMs: 0,
      dueMs: Infinity,
    },
    {
      name: 'for what the first lets go of too early: before',
      entry: entry(false, added(9000), added(8000)),
      notBeforeMs: 0,
      dueMs: 7500,
    },
    { name: 'but not before its time', entry: entry(false, added(8000)), notBeforeMs: 7700, dueMs: 7700 },
    {
      name: 'for what was rejected: never',
      entry: entry(false, { outcome: 'rejected', heldUntilMs: 0 }),
      notBeforeMs: 0,
      dueMs: Infinity,
    },
    { name: 'for what no engine was there for: never', entry: entry(false), notBeforeMs: 0, dueMs: Infinity },
  ])('$name', ({ entry: it, notBeforeMs, dueMs }) => {
    expect(dueAtMs(it, notBeforeMs, 500)).toBe(dueMs);
  });
});

describe('claims', () => {
  const claim = (delivery: string, sinceMs: number, notBeforeMs: number) => ({
    delivery,
    sighting: sighting('198.51.100.0'),
    origin: { from: 'a', sentMs: sinceMs },
    sinceMs,
    notBeforeMs,
  });

  test('are one for each address: the last delivery, held since the first, at the earliest time', () => {
    const claims = new RelayClaims<string>();
    expect(claims.take(claim('first', 1, 50))).toBeUndefined();
    expect(claims.take(claim('second', 2, 90))).toMatchObject({ delivery: 'first' });
    expect(claims.find('198.51.100.0')).toMatchObject({ delivery: 'second', sinceMs: 1, notBeforeMs: 50 });
    expect(claims.addresses).toEqual(['198.51.100.0']);
    claims.postpone('198.51.100.0', 95);
    expect(claims.drop('198.51.100.0')).toMatchObject({ delivery: 'second', notBeforeMs: 95 });
    expect(claims.size).toBe(0);
  });
});

describe('waiting at the broker', () => {
  const { delays } = topologyOf('icapgw', 'a1');

  test.each([
    [999, undefined],
    [1000, 'icapgw.delay.1s'],
    [15_999, 'icapgw.delay.4s'],
    [16_000, 'icapgw.delay.16s'],
    [1_800_000, 'icapgw.delay.1024s'],
  ])('%i ms begins in %s', (waitMs, queue) => {
    expect(delayFor(delays, waitMs)?.queue).toBe(queue);
  });

  test('takes few steps, and is over in time', () => {
    for (const wholeMs of [1000, 59_000, 1_800_000, 12 * 3_600_000]) {
      let leftMs = wholeMs;
      let steps = 0;
      for (let delay = delayFor(delays, leftMs); delay !== undefined; delay = delayFor(delays, leftMs)) {
        leftMs -= delay.delayMs;
        steps += 1;
      }
      expect(leftMs).toBeGreaterThanOrEqual(0);
      expect(leftMs).toBeLessThan(1000);
      expect(steps).toBeLessThan(60);
    }
  });
});
