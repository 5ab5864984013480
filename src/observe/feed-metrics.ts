import type { Registry } from 'prom-client';
import type { FeedCount, FeedCounts } from './feed-counts.ts';
import { registerCounter, registerGauge } from './scraped-metric.ts';

/** What a threat feed has to tell at a scrape. */
export interface FeedMetricsSource {
  readonly counts: FeedCounts;
  /** Whether anything is relayed to an SMC. */
  readonly hasSmc: boolean;
  /** Addresses not yet with every engine, and for how long the oldest of them waits. */
  backlog(): { readonly depth: number; readonly oldestSeconds: number };
  /** When the certificate that its listener shows expires; undefined: it shows none. */
  certificateEndMs(): number | undefined;
}

/** Registers what a threat feed counts and holds. */
export function registerFeedMetrics(registry: Registry, source: FeedMetricsSource): void {
  const { counts } = source;
  const counter = <L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
    sample: () => Iterable<FeedCount>,
  ): void => {
    registerCounter(registry, name, help, labels, (add) => {
      for (const [values, count] of sample()) {
        // A table has as many columns as the metric has labels.
        add(Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ''])) as Record<L, string>, count);
      }
    });
  };
  counter(
    'icapgw_feed_requests_total',
    'Requests to the listener of a threat feed, by status of the answer.',
    ['feed', 'code'],
    () => counts.requestCounts,
  );
  counter(
    'icapgw_feed_addresses_total',
    'Addresses that findings named, by what became of them.',
    ['feed', 'result'],
    () => counts.addressCounts,
  );
  counter(
    'icapgw_feed_ignored_total',
    'Addresses of findings that were not blocked, by reason.',
    ['feed', 'reason'],
    () => counts.ignoredCounts,
  );
  registerGauge(registry, 'icapgw_feed_queue_depth', 'Addresses not yet with every engine.', [], (set) =>
    set({}, source.backlog().depth),
  );
  registerGauge(
    registry,
    'icapgw_feed_queue_oldest_seconds',
    'How long the oldest of the addresses not yet with every engine waits.',
    [],
    (set) => set({}, source.backlog().oldestSeconds),
  );
  if (!source.hasSmc) return;
  registerGauge(
    registry,
    'icapgw_smc_up',
    '1 after a session with the SMC that worked, 0 after one that did not.',
    [],
    (set) => set({}, Number(counts.isSmcUp)),
  );
  counter(
    'icapgw_smc_requests_total',
    'Requests to the SMC, by operation and status of the answer.',
    ['operation', 'code'],
    () => counts.smcRequestCounts,
  );
  counter(
    'icapgw_smc_entries_total',
    'Addresses brought to engines, by what became of them.',
    ['engine', 'result'],
    () => counts.smcEntryCounts,
  );
}
