import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { FeedCounts } from '../../src/observe/feed-counts.ts';
import { registerFeedMetrics } from '../../src/observe/feed-metrics.ts';

async function samplesOf(hasSmc: boolean, change: (counts: FeedCounts) => void = () => {}): Promise<readonly string[]> {
  const registry = new Registry();
  const counts = new FeedCounts(['guardduty']);
  const source = { counts, hasSmc, backlog: () => ({ depth: 0, oldestSeconds: 0 }), certificateEndMs: () => undefined };
  registerFeedMetrics(registry, source);
  change(counts);
  return (await registry.metrics()).split('\n').filter((line) => line.startsWith('icapgw_'));
}

const ADDRESSES = ['blocked', 'extended', 'ignored'];
const REASONS = ['own', 'allowed', 'reserved', 'private', 'archived', 'severity'];
const OPERATIONS = ['versions', 'login', 'entry-points', 'engines', 'engine', 'add', 'logout'];

test('every value of a feed is there from the start, at 0', async () => {
  const samples = await samplesOf(true);
  expect(samples).toEqual(
    expect.arrayContaining([
      ...[200, 400, 401, 403, 404, 405, 413, 429, 503].map(
        (code) => `icapgw_feed_requests_total{feed="guardduty",code="${code}"} 0`,
      ),
      ...ADDRESSES.map((result) => `icapgw_feed_addresses_total{feed="guardduty",result="${result}"} 0`),
      ...REASONS.map((reason) => `icapgw_feed_ignored_total{feed="guardduty",reason="${reason}"} 0`),
      ...['icapgw_feed_queue_depth 0', 'icapgw_feed_queue_oldest_seconds 0', 'icapgw_smc_up 0'],
      ...OPERATIONS.flatMap((operation) =>
        ['200', 'error'].map((code) => `icapgw_smc_requests_total{operation="${operation}",code="${code}"} 0`),
      ),
    ]),
  );
  expect(samples.every((line) => line.endsWith(' 0'))).toBe(true);
});

test('without an SMC nothing is told of one', async () => {
  expect((await samplesOf(false)).join('\n')).not.toContain('icapgw_smc_');
});

test('what is counted is told by engine, for each result', async () => {
  const samples = await samplesOf(true, (counts) => {
    counts.smcEntries('NGFW "1"', 'added', 3);
    counts.smcEntries('NGFW "1"', 'expired', 1);
    counts.smcRequest('login', 403);
    counts.smcUp(true);
  });
  expect(samples).toEqual(
    expect.arrayContaining([
      'icapgw_smc_entries_total{engine="NGFW \\"1\\"",result="added"} 3',
      'icapgw_smc_entries_total{engine="NGFW \\"1\\"",result="rejected"} 0',
      'icapgw_smc_entries_total{engine="NGFW \\"1\\"",result="expired"} 1',
      'icapgw_smc_requests_total{operation="login",code="403"} 1',
      'icapgw_smc_up 1',
    ]),
  );
});
