import { describe, expect, test } from 'vitest';
import { CounterCarrier } from '../../src/observe/counter-carrier.ts';
import { CounterTotals } from '../../src/observe/counter-totals.ts';
import { createCounterBuffer, createCounterLayout, WorkerCounters } from '../../src/observe/counters.ts';

const WORKERS = 2;

/** Memory for services with these backends, and who counts in it and reads from it. */
function counting(services: Readonly<Record<string, readonly string[]>>) {
  const layout = createCounterLayout({
    services: Object.keys(services),
    backends: Object.values(services),
    workers: WORKERS,
  });
  const buffer = createCounterBuffer(layout);
  return {
    ...{ layout, buffer },
    workers: Array.from({ length: WORKERS }, (_, index) => new WorkerCounters(layout, buffer, index)),
    totals: new CounterTotals(layout, buffer),
  };
}

describe('what was counted under one configuration', () => {
  test('is found in the next by the names of services and backends, wherever they stand there', () => {
    const before = counting({ dlp: ['a', 'b'], av: ['a'] });
    const after = counting({ av: ['c', 'a'], dlp: ['b'] });
    for (const [index, worker] of before.workers.entries()) {
      worker.connectionAccepted(0);
      worker.backendAttempt(0, 1, 'connected');
      worker.backendAttempt(1, 0, 'refused');
      worker.bytes(1, 100 + index, 1000);
      worker.handshakeDone(0, 'TLSv1.3', true, 0.5);
      worker.icapAnswered(0, 'REQMOD', 1, 204);
      worker.icapAnswered(0, 'REQMOD', undefined, 503);
      worker.icapFinished(0, 'REQMOD', 'allowed', 0.25);
      worker.icapRetried(0, 'connect');
    }
    new CounterCarrier(before, after).carry();
    const { totals } = after;
    expect([totals.accepted(0), totals.accepted(1)]).toEqual([0, 2]);
    expect(totals.backendAttempts(1, 0, 'connected')).toBe(2);
    expect(totals.backendAttempts(0, 1, 'refused')).toBe(2);
    expect(totals.backendAttempts(0, 0, 'refused')).toBe(0);
    expect([totals.bytes(0, 'received'), totals.bytes(0, 'sent')]).toEqual([201, 2000]);
    expect(totals.handshakes(1, 'TLSv1.3', true)).toBe(2);
    expect(totals.handshakeSeconds(1)).toMatchObject({ count: 2, sum: 1 });
    expect(totals.icapAnswers(1, 'REQMOD', 0, '204')).toBe(2);
    expect(totals.icapAnswers(1, 'REQMOD', undefined, '503')).toBe(2);
    expect(totals.icapVerdicts(1, 'REQMOD', 'allowed')).toBe(2);
    expect(totals.icapSeconds(1, 'REQMOD')).toMatchObject({ count: 2, sum: 0.5 });
    expect(totals.icapRetries(1, 'connect')).toBe(2);
  });

  test('is carried once, however often that is done, and so is what is counted there later', () => {
    const before = counting({ dlp: ['a'] });
    const after = counting({ dlp: ['a', 'b'] });
    const carrier = new CounterCarrier(before, after);
    before.workers[0]?.connectionAccepted(0);
    carrier.carry();
    carrier.carry();
    expect(after.totals.accepted(0)).toBe(1);
    before.workers[1]?.connectionAccepted(0);
    after.workers[1]?.connectionAccepted(0);
    expect(after.totals.accepted(0)).toBe(2);
    carrier.carry();
    expect(after.totals.accepted(0)).toBe(3);
  });

  test('goes on through one configuration after the other', () => {
    const [first, second, third] = [counting({ dlp: ['a'] }), counting({ dlp: ['b'] }), counting({ dlp: ['a', 'b'] })];
    const carriers = [new CounterCarrier(first, second), new CounterCarrier(second, third)];
    first.workers[0]?.connectionAccepted(0);
    second.workers[0]?.connectionAccepted(0);
    second.workers[1]?.backendAttempt(0, 0, 'connected');
    for (const carrier of carriers) carrier.carry();
    first.workers[1]?.connectionClosed(0, 'client');
    for (const carrier of carriers) carrier.carry();
    expect(third.totals.accepted(0)).toBe(2);
    expect(third.totals.closed(0, 'client')).toBe(1);
    expect(third.totals.backendAttempts(0, 1, 'connected')).toBe(1);
  });

  test('is left behind where nothing in the next has its name', () => {
    const before = counting({ old: ['a'] });
    const after = counting({ new: ['a'] });
    before.workers[0]?.connectionAccepted(0);
    before.workers[0]?.backendAttempt(0, 0, 'connected');
    new CounterCarrier(before, after).carry();
    expect(new Float64Array(after.buffer).every((count) => count === 0)).toBe(true);
  });
});
