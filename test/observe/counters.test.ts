import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CounterTotals } from '../../src/observe/counter-totals.ts';
import { createCounterBuffer, createCounterLayout, WorkerCounters } from '../../src/observe/counters.ts';
import {
  BACKEND_RESULTS,
  BYPASS_RULES,
  CLOSE_REASONS,
  CONTENT_METHODS,
  HANDSHAKE_BUCKETS_SECONDS,
  HANDSHAKE_FAILURES,
  HANDSHAKE_VERSIONS,
  ICAP_BUCKETS_SECONDS,
  ICAP_METHODS,
  ICAP_STATUSES,
  icapMethodOf,
  REJECT_REASONS,
  RETRY_REASONS,
  VERDICTS,
} from '../../src/observe/labels.ts';

const LAYOUT = createCounterLayout({ services: ['a', 'b', 'c'], backends: [['a1', 'a2'], [], ['c1']], workers: 2 });

function createCounters(): { workers: [WorkerCounters, WorkerCounters]; totals: CounterTotals } {
  const buffer = createCounterBuffer(LAYOUT);
  return {
    workers: [new WorkerCounters(LAYOUT, buffer, 0), new WorkerCounters(LAYOUT, buffer, 1)],
    totals: new CounterTotals(LAYOUT, buffer),
  };
}

/** Every number there is, by name. */
function snapshot(totals: CounterTotals): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [s, service] of LAYOUT.services.entries()) {
    values[`${service} accepted`] = totals.accepted(s);
    values[`${service} received`] = totals.bytes(s, 'received');
    values[`${service} sent`] = totals.bytes(s, 'sent');
    values[`${service} last resort`] = totals.lastResort(s);
    for (const reason of CLOSE_REASONS) values[`${service} closed ${reason}`] = totals.closed(s, reason);
    for (const reason of REJECT_REASONS) values[`${service} rejected ${reason}`] = totals.rejected(s, reason);
    for (const reason of HANDSHAKE_FAILURES)
      values[`${service} failed ${reason}`] = totals.handshakeFailures(s, reason);
    for (const version of HANDSHAKE_VERSIONS) {
      for (const resumed of [false, true]) {
        values[`${service} done ${version} ${resumed}`] = totals.handshakes(s, version, resumed);
      }
    }
    const { cumulative, count, sum } = totals.handshakeSeconds(s);
    for (const [index, value] of cumulative.entries()) values[`${service} bucket ${index}`] = value;
    values[`${service} seconds count`] = count;
    values[`${service} seconds sum`] = sum;
    for (const reason of RETRY_REASONS) values[`${service} retried ${reason}`] = totals.icapRetries(s, reason);
    for (const rule of BYPASS_RULES) values[`${service} bypassed ${rule}`] = totals.icapBypassed(s, rule);
    for (const method of CONTENT_METHODS) {
      for (const verdict of VERDICTS) {
        values[`${service} ${method} ${verdict}`] = totals.icapVerdicts(s, method, verdict);
      }
      const seconds = totals.icapSeconds(s, method);
      values[`${service} ${method} count`] = seconds.count;
      values[`${service} ${method} sum`] = seconds.sum;
    }
    for (const position of [undefined, ...(LAYOUT.backends[s] ?? []).keys()]) {
      for (const method of ICAP_METHODS) {
        for (const status of ICAP_STATUSES) {
          values[`${service} ${position} ${method} ${status}`] = totals.icapAnswers(s, method, position, status);
        }
      }
    }
    for (const [b, backend] of (LAYOUT.backends[s] ?? []).entries()) {
      for (const result of BACKEND_RESULTS) values[`${backend} ${result}`] = totals.backendAttempts(s, b, result);
    }
  }
  return values;
}

function changed(totals: CounterTotals): Record<string, number> {
  return Object.fromEntries(Object.entries(snapshot(totals)).filter(([, value]) => value !== 0));
}

describe('worker counters', () => {
  test.each<[string, (counters: WorkerCounters) => void, Record<string, number>]>([
    ['an accepted connection', (c) => c.connectionAccepted(1), { 'b accepted': 1 }],
    ['a closed connection', (c) => c.connectionClosed(2, 'error'), { 'c closed error': 1 }],
    ['a rejected connection', (c) => c.connectionRejected(0, 'denied'), { 'a rejected denied': 1 }],
    ['bytes', (c) => c.bytes(1, 10, 2 ** 40), { 'b received': 10, 'b sent': 2 ** 40 }],
    ['a failed handshake', (c) => c.handshakeFailed(2, 'reset'), { 'c failed reset': 1 }],
    ['a refused backend', (c) => c.backendAttempt(0, 1, 'refused'), { 'a2 refused': 1 }],
    ['the last backend of the last service', (c) => c.backendAttempt(2, 0, 'error'), { 'c1 error': 1 }],
    ['an answer of the gateway', (c) => c.icapAnswered(1, 'OPTIONS', undefined, 200), { 'b undefined OPTIONS 200': 1 }],
    ['an answer of a backend', (c) => c.icapAnswered(0, 'RESPMOD', 1, 539), { 'a 1 RESPMOD 539': 1 }],
    ['a status nobody knows', (c) => c.icapAnswered(2, 'other', 0, 777), { 'c 0 other other': 1 }],
    [
      'a verdict and its time',
      (c) => c.icapFinished(2, 'RESPMOD', 'aborted', 0.5),
      { 'c RESPMOD aborted': 1, 'c RESPMOD count': 1, 'c RESPMOD sum': 0.5 },
    ],
    ['a retry', (c) => c.icapRetried(0, 'path'), { 'a retried path': 1 }],
    ['bypassed content', (c) => c.icapBypassed(1, 'on-oversize'), { 'b bypassed on-oversize': 1 }],
    ['a last resort', (c) => c.lastResort(2), { 'c last resort': 1 }],
  ])('count %s in its own place only', (_, act, expected) => {
    const { workers, totals } = createCounters();
    act(workers[0]);
    act(workers[1]);
    const twice = Object.entries(expected).map(([name, value]) => [name, value * 2]);
    expect(changed(totals)).toEqual(Object.fromEntries(twice));
  });

  test('a handshake on a bound belongs to that bucket, one above the last only to the count', () => {
    const { workers, totals } = createCounters();
    workers[0].handshakeDone(0, 'TLSv1.3', true, 0.0025);
    workers[1].handshakeDone(0, 'TLSv1.2', false, 11);
    expect(totals.handshakeSeconds(0)).toEqual({
      cumulative: HANDSHAKE_BUCKETS_SECONDS.map((bound) => Number(bound >= 0.0025)),
      count: 2,
      sum: 11.0025,
    });
    expect(totals.handshakes(0, 'TLSv1.3', true)).toBe(1);
    expect(totals.handshakes(0, 'TLSv1.2', false)).toBe(1);
    expect(totals.handshakes(0, 'TLSv1.2', true)).toBe(0);
  });

  test('a request belongs to the first bucket it fits in, with its method', () => {
    const { workers, totals } = createCounters();
    workers[0].icapFinished(0, 'REQMOD', 'allowed', 0.001);
    workers[1].icapFinished(0, 'REQMOD', 'error', 300);
    workers[1].icapFinished(0, 'REQMOD', 'error', 300.5);
    const last = ICAP_BUCKETS_SECONDS.length - 1;
    expect(totals.icapSeconds(0, 'REQMOD')).toEqual({
      cumulative: ICAP_BUCKETS_SECONDS.map((_, index) => (index === last ? 2 : 1)),
      count: 3,
      sum: 600.501,
    });
    expect(totals.icapSeconds(0, 'RESPMOD').count).toBe(0);
  });

  test.each([
    ['REQMOD', 'REQMOD'],
    ['OPTIONS', 'OPTIONS'],
    ['reqmod', 'other'],
    ['GET', 'other'],
    ['other', 'other'],
  ])('the method %s counts as %s', (method, label) => {
    expect(icapMethodOf(method)).toBe(label);
  });

  test('no two events share a slot, in any layout', () => {
    const shape = fc.array(fc.nat(3), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(shape, fc.integer({ min: 1, max: 3 }), (backendCounts, workers) => {
        const backends = backendCounts.map((count) => Array.from({ length: count }, (_, index) => `${index}`));
        const layout = createCounterLayout({ services: backends.map((_, index) => `${index}`), backends, workers });
        const buffer = createCounterBuffer(layout);
        let events = 0;
        for (let worker = 0; worker < workers; worker += 1) {
          const counters = new WorkerCounters(layout, buffer, worker);
          for (const [service, names] of backends.entries()) {
            for (const reason of CLOSE_REASONS) counters.connectionClosed(service, reason);
            for (const reason of REJECT_REASONS) counters.connectionRejected(service, reason);
            for (const reason of HANDSHAKE_FAILURES) counters.handshakeFailed(service, reason);
            counters.connectionAccepted(service);
            counters.lastResort(service);
            counters.bytes(service, 1, 1);
            events += CLOSE_REASONS.length + REJECT_REASONS.length + HANDSHAKE_FAILURES.length + 4;
            for (const reason of RETRY_REASONS) counters.icapRetried(service, reason);
            for (const rule of BYPASS_RULES) counters.icapBypassed(service, rule);
            events += RETRY_REASONS.length + BYPASS_RULES.length;
            for (const method of CONTENT_METHODS) {
              // Each also adds to its sum, and to one bucket.
              counters.icapFinished(service, method, 'allowed', 1);
              events += 3;
            }
            for (const position of [undefined, ...names.keys()]) {
              for (const method of ICAP_METHODS) {
                for (const status of ICAP_STATUSES) counters.icapAnswered(service, method, position, Number(status));
                events += ICAP_STATUSES.length;
              }
            }
            for (const backend of names.keys()) {
              for (const result of BACKEND_RESULTS) counters.backendAttempt(service, backend, result);
              events += BACKEND_RESULTS.length;
            }
          }
        }
        const slots = new Float64Array(buffer);
        expect(Math.max(...slots)).toBe(1);
        expect(slots.reduce((sum, value) => sum + value, 0)).toBe(events);
      }),
      { seed: 42, numRuns: 30 },
    );
  });

  test('a replacement goes on where the worker that died stopped', () => {
    const buffer = createCounterBuffer(LAYOUT);
    new WorkerCounters(LAYOUT, buffer, 1).connectionAccepted(0);
    new WorkerCounters(LAYOUT, buffer, 1).connectionAccepted(0);
    expect(new CounterTotals(LAYOUT, buffer).accepted(0)).toBe(2);
  });

  test('what threads count is read on the main thread, from a layout that was sent to them', async () => {
    const buffer = createCounterBuffer(LAYOUT);
    const module = new URL('../../src/observe/counters.ts', import.meta.url).href;
    const source = `
      import { workerData } from 'node:worker_threads';
      const { WorkerCounters } = await import(${JSON.stringify(module)});
      const counters = new WorkerCounters(workerData.layout, workerData.buffer, workerData.index);
      for (let i = 0; i < 100_000; i += 1) counters.bytes(1, 1, 2);
    `;
    const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
    const workers = [0, 1].map((index) => new Worker(url, { workerData: { layout: LAYOUT, buffer, index } }));
    await Promise.all(workers.map((worker) => once(worker, 'exit')));
    const totals = new CounterTotals(LAYOUT, buffer);
    expect([totals.bytes(1, 'received'), totals.bytes(1, 'sent')]).toEqual([200_000, 400_000]);
  });
});
