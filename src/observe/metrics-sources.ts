import type { Registry } from 'prom-client';
import type { CounterTotals } from './counter-totals.ts';
import type { BackendStateLabel } from './labels.ts';
import type { SpanCounts } from './span-exporter.ts';

/** A backend as the metrics show it. One that resolved to several addresses is one backend, up if any of them is. */
export interface BackendSample {
  readonly name: string;
  readonly state: BackendStateLabel;
  readonly active: number;
}

/** What is not counted but looked at, at each scrape. Services are indexes into the layout. */
export interface MetricsSources {
  connectionsActive(service: number): number;
  backends(service: number): readonly BackendSample[];
  /** Requests that wait for a connection to a backend; undefined where the service does not speak ICAP. */
  queueDepth(service: number): number | undefined;
  /** How many addresses and networks are blocked, by where that comes from. */
  blockCounts(): ReadonlyMap<string, number>;
  logLinesLost(): number;
  spans(): SpanCounts;
}

export interface WorkerMetricsOptions {
  readonly registry: Registry;
  /** Knows the services and backends there are at the moment of a scrape. */
  readonly totals: CounterTotals;
  readonly sources: MetricsSources;
}
