import { expect, test } from 'vitest';
import { SYSTEM_CLOCK } from '../../src/feeds/contract/feed-clock.ts';
import type { EngineOutcome } from '../../src/feeds/contract/feed-queue.ts';
import type { SinkStatus } from '../../src/feeds/contract/feed-sink.ts';
import { EmbeddedQueue } from '../../src/feeds/queue/embedded-queue.ts';
import { reportBlocked } from '../../src/runtime/blocked-report.ts';
import { createMemoryDisk } from '../_util/feed-memory-disk.ts';

const NOW = Date.UTC(2026, 10, 20);
const SMC: SinkStatus = { up: true, version: '6.10', lastSuccess: '2026-11-20T00:00:00.000Z', lastError: undefined };
const QUEUE = { type: 'embedded', depth: 2, oldestSeconds: 5 };

async function feedWith(
  engines: Readonly<Record<string, readonly EngineOutcome[]>>,
  smc: SinkStatus | null = SMC,
  trouble?: string,
) {
  let nowMs = NOW - Object.keys(engines).length;
  const clock = { nowMs: () => nowMs, after: SYSTEM_CLOCK.after };
  const queue = new EmbeddedQueue({ disk: createMemoryDisk(), clock, maxEntries: () => 9, onTrouble: () => {} });
  for (const [address, outcomes] of Object.entries(engines)) {
    await queue.put([{ address, source: 'guardduty', type: 'T', untilMs: NOW + 60_000, findings: 2 }]);
    nowMs += 1;
    if (outcomes.length === 0) continue;
    await queue.settle(outcomes.map((outcome, index) => ({ address, engine: `e${index}`, outcome, heldUntilMs: 0 })));
    if (!outcomes.includes('pending')) await queue.conclude([{ address, retryAtMs: undefined }]);
  }
  return { queue, status: () => ({ queue: QUEUE, smc, trouble }), own: () => new Set<string>() };
}

test('tells of each address how far it is on its way to the engines', async () => {
  const feed = await feedWith({
    '198.51.100.1': [],
    '198.51.100.2': ['added', 'pending'],
    '198.51.100.3': ['added', 'rejected'],
    '198.51.100.4': ['rejected', 'rejected'],
  });
  const report = reportBlocked({ blocks: [], listed: [], feed, nowMs: NOW, limit: 100 });
  expect(report.entries.map(({ ip, relay, engines }) => [ip, relay, engines])).toEqual([
    ['198.51.100.4', 'failed', { e0: 'rejected', e1: 'rejected' }],
    ['198.51.100.3', 'done', { e0: 'added', e1: 'rejected' }],
    ['198.51.100.2', 'pending', { e0: 'added', e1: 'pending' }],
    ['198.51.100.1', 'pending', {}],
  ]);
  expect(report).toMatchObject({ queue: QUEUE, smc: { up: true, version: '6.10', lastError: null } });
});

test('relays nothing without an SMC, and leaves out what has had its time', async () => {
  const feed = await feedWith({ '198.51.100.1': [] }, null);
  const entry = {
    ...{ ip: '198.51.100.1', source: 'guardduty', type: 'T', findings: 2, relay: 'off', engines: {} },
    ...{ since: '2026-11-19T23:59:59.999Z', until: '2026-11-20T00:01:00.000Z' },
  };
  expect(reportBlocked({ blocks: [], listed: [], feed, nowMs: NOW, limit: 100 })).toEqual({
    entries: [entry],
    queue: { ...QUEUE, trouble: null },
    smc: null,
  });
  expect(reportBlocked({ blocks: [], listed: [], feed, nowMs: NOW + 60_000, limit: 100 }).entries).toEqual([]);
});

test('says why findings cannot be kept', async () => {
  const feed = await feedWith({}, null, 'the broker hung up');
  expect(reportBlocked({ blocks: [], listed: [], feed, nowMs: NOW, limit: 100 }).queue).toEqual({
    ...QUEUE,
    trouble: 'the broker hung up',
  });
});

test('puts the newest first, whoever blocked it, and no more than asked for', async () => {
  const feed = await feedWith({ '198.51.100.1': [], '198.51.100.2': [] });
  const blocks = [
    { address: '192.0.2.0/24', sinceMs: 0, untilMs: undefined },
    { address: '192.0.2.1', sinceMs: NOW, untilMs: NOW + 1000 },
  ];
  const ips = (limit: number): readonly string[] =>
    reportBlocked({ blocks, listed: [], feed, nowMs: NOW, limit }).entries.map(({ ip }) => ip);
  expect(ips(Number.POSITIVE_INFINITY)).toEqual(['192.0.2.1', '198.51.100.2', '198.51.100.1', '192.0.2.0/24']);
  expect(ips(2)).toEqual(['192.0.2.1', '198.51.100.2']);
  expect(reportBlocked({ blocks, listed: [], feed: undefined, nowMs: NOW, limit: 9 })).toMatchObject({
    entries: [{ source: 'manual', relay: 'off', findings: 0, until: '2026-11-20T00:00:01.000Z' }, { until: null }],
    queue: null,
    smc: null,
  });
});
