import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { CounterTotals } from './counter-totals.ts';
import type { CounterLayout } from './counters.ts';
import { type FeedMetricsSource, registerFeedMetrics } from './feed-metrics.ts';
import {
  type CertificateKind,
  HEALTH_CHECK_RESULTS,
  type HealthCheckResult,
  RELOAD_RESULTS,
  type ReloadResult,
} from './labels.ts';
import type { MetricsSources } from './metrics-sources.ts';
import { registerWorkerMetrics } from './worker-metrics.ts';

export interface CertificateExpiry {
  readonly service: string;
  readonly kind: CertificateKind;
  /** The end of a certificate's validity, or a CRL's next update. */
  readonly expiresMs: number;
}

export interface MetricsOptions {
  readonly build: { readonly version: string; readonly node: string; readonly openssl: string };
  readonly totals: CounterTotals;
  readonly sources: MetricsSources;
  /** Undefined: there is no feed, and nothing is told of one. */
  readonly feed: FeedMetricsSource | undefined;
}

/** prom-client names these gauges like counters, and they tell only of the main thread, which has few handles. */
const UNWANTED_DEFAULTS = ['handles', 'requests', 'resources'].flatMap((what) => [
  `nodejs_active_${what}`,
  `nodejs_active_${what}_total`,
]);

/** As a service is called. */
const FEED_CERTIFICATE = { service: 'feeds.guardduty', kind: 'server' } as const;

/** A check ends within its timeout, 2 s unless configured. */
const HEALTH_CHECK_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/**
 * Everything Prometheus is told, in a registry of its own. Loading this file costs some 45 ms (prom-client): import it
 * while the workers start, not before. One method per event of the main thread; the workers' are read at each scrape.
 */
export class Metrics {
  readonly registry: Registry = new Registry();
  readonly #healthChecks: Counter<'service' | 'backend' | 'result'>;
  readonly #healthCheckSeconds: Histogram<'service' | 'backend'>;
  readonly #certificateExpiry: Gauge<'service' | 'kind'>;
  readonly #reloads: Counter<'result'>;
  readonly #lastReload: Gauge;
  readonly #lastReloadSuccessful: Gauge;
  readonly #workerRestarts: Counter;
  readonly #feed: FeedMetricsSource | undefined;
  /** Services and backends that have their series. */
  readonly #known: Set<string> = new Set();

  constructor({ build, totals, sources, feed }: MetricsOptions) {
    const registry = this.registry;
    this.#feed = feed;
    const registers = [registry];
    new Gauge({
      name: 'icapgw_build_info',
      help: 'Always 1; the labels say what runs.',
      labelNames: ['version', 'node', 'openssl'],
      registers,
    }).set(build, 1);
    registerWorkerMetrics({ registry, totals, sources });
    if (feed !== undefined) registerFeedMetrics(registry, feed);
    this.#certificateExpiry = new Gauge({
      name: 'icapgw_certificate_expiry_timestamp_seconds',
      help: 'When the first certificate or revocation list of this kind expires.',
      labelNames: ['service', 'kind'],
      registers,
    });
    this.#healthChecks = new Counter({
      name: 'icapgw_backend_health_checks_total',
      help: 'Health checks by result.',
      labelNames: ['service', 'backend', 'result'],
      registers,
    });
    this.#healthCheckSeconds = new Histogram({
      name: 'icapgw_backend_health_check_seconds',
      help: 'How long health checks took, whatever their result.',
      labelNames: ['service', 'backend'],
      buckets: HEALTH_CHECK_BUCKETS_SECONDS,
      registers,
    });
    this.#reloads = new Counter({
      name: 'icapgw_config_reloads_total',
      help: 'Attempts to load the configuration again.',
      labelNames: ['result'],
      registers,
    });
    this.#lastReload = new Gauge({
      name: 'icapgw_config_last_reload_success_timestamp_seconds',
      help: 'When the configuration in use was loaded.',
      registers,
    });
    this.#lastReloadSuccessful = new Gauge({
      name: 'icapgw_config_last_reload_successful',
      help: '0 from an attempt to load the configuration that failed to one that succeeds, else 1.',
      registers,
    });
    this.#lastReloadSuccessful.set(1);
    this.#workerRestarts = new Counter({
      name: 'icapgw_worker_restarts_total',
      help: 'Workers replaced after they died.',
      registers,
    });
    this.#lastReload.setToCurrentTime();
    for (const result of RELOAD_RESULTS) this.#reloads.inc({ result }, 0);
    this.startAtZero(totals.layout);
    // A sample every 100 ms instead of 10: an idle gateway need not wake up 100 times a second to measure itself.
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
    for (const name of UNWANTED_DEFAULTS) registry.removeSingleMetric(name);
  }

  healthCheck(service: string, backend: string, result: HealthCheckResult, seconds: number): void {
    this.#healthChecks.inc({ service, backend, result });
    this.#healthCheckSeconds.observe({ service, backend }, seconds);
  }

  workerRestarted(): void {
    this.#workerRestarts.inc();
  }

  /** Replaces all dates. Of several for one service and kind the soonest counts. */
  certificateExpiry(list: readonly CertificateExpiry[]): void {
    this.#certificateExpiry.reset();
    const latestFirst = [...list].sort((a, b) => b.expiresMs - a.expiresMs);
    for (const { service, kind, expiresMs } of latestFirst) {
      this.#certificateExpiry.set({ service, kind }, expiresMs / 1000);
    }
  }

  configReload(result: ReloadResult): void {
    this.#reloads.inc({ result });
    this.#lastReloadSuccessful.set(Number(result === 'success'));
    if (result === 'success') this.#lastReload.setToCurrentTime();
  }

  /** The text of one scrape. */
  text(): Promise<string> {
    const feedEndMs = this.#feed?.certificateEndMs();
    // It is followed by itself, and may be another one since the last scrape.
    if (feedEndMs !== undefined) this.#certificateExpiry.set(FEED_CERTIFICATE, feedEndMs / 1000);
    return this.registry.metrics();
  }

  /**
   * Makes the series of backends that have none yet: one that appears with its first event hides that event from `rate()`.
   */
  startAtZero(layout: CounterLayout): void {
    for (const [index, service] of layout.services.entries()) {
      for (const backend of layout.backends[index] ?? []) {
        for (const result of HEALTH_CHECK_RESULTS) this.#healthChecks.inc({ service, backend, result }, 0);
        if (!this.#known.has(`${service} ${backend}`)) this.#healthCheckSeconds.zero({ service, backend });
        this.#known.add(`${service} ${backend}`);
      }
    }
  }
}
