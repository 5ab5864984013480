import {
  BYPASS_RULES,
  CONTENT_METHODS,
  ICAP_BUCKETS_SECONDS,
  ICAP_METHODS,
  ICAP_STATUSES,
  RETRY_REASONS,
  VERDICTS,
} from './labels.ts';
import type { WorkerMetricsOptions } from './metrics-sources.ts';
import { registerCounter, registerGauge } from './scraped-metric.ts';
import { SharedHistogram } from './shared-histogram.ts';

/** Stands for a backend where the gateway answered by itself. */
const NO_BACKEND = 'none';

/** Registers what is counted of ICAP transactions. Services that do not speak ICAP have no series here. */
export function registerIcapMetrics({ registry, totals, sources }: WorkerMetricsOptions): void {
  const services = (): [number, string][] =>
    [...totals.layout.services.entries()].filter(([index]) => sources.queueDepth(index) !== undefined);

  registerCounter(
    registry,
    'icapgw_icap_requests_total',
    'ICAP requests answered, by backend and status; a series appears with its first answer.',
    ['service', 'method', 'backend', 'status'],
    (add) => {
      for (const [index, service] of services()) {
        const names = [[undefined, NO_BACKEND] as const, ...(totals.layout.backends[index] ?? []).entries()];
        for (const [position, backend] of names) {
          for (const method of ICAP_METHODS) {
            for (const status of ICAP_STATUSES) {
              const count = totals.icapAnswers(index, method, position, status);
              if (count > 0) add({ service, method, backend, status }, count);
            }
          }
        }
      }
    },
  );
  registerCounter(
    registry,
    'icapgw_icap_verdicts_total',
    'ICAP requests with content that ended, by what became of the content.',
    ['service', 'method', 'verdict'],
    (add) => {
      for (const [index, service] of services()) {
        for (const method of CONTENT_METHODS) {
          for (const verdict of VERDICTS) {
            add({ service, method, verdict }, totals.icapVerdicts(index, method, verdict));
          }
        }
      }
    },
  );
  new SharedHistogram({
    name: 'icapgw_icap_request_seconds',
    help: 'How long ICAP requests with content took, from their first byte to the end of the answer.',
    labelNames: ['service', 'method'],
    buckets: ICAP_BUCKETS_SECONDS,
    registry,
    read: () =>
      services().flatMap(([index, service]) =>
        CONTENT_METHODS.map((method) => ({ labels: { service, method }, totals: totals.icapSeconds(index, method) })),
      ),
  });
  registerCounter(
    registry,
    'icapgw_icap_retries_total',
    'ICAP requests sent once more, by reason.',
    ['service', 'reason'],
    (add) => {
      for (const [index, service] of services()) {
        for (const reason of RETRY_REASONS) add({ service, reason }, totals.icapRetries(index, reason));
      }
    },
  );
  registerCounter(
    registry,
    'icapgw_icap_bypassed_total',
    'ICAP requests whose content passed without a verdict, by rule.',
    ['service', 'rule'],
    (add) => {
      for (const [index, service] of services()) {
        for (const rule of BYPASS_RULES) add({ service, rule }, totals.icapBypassed(index, rule));
      }
    },
  );
  registerGauge(
    registry,
    'icapgw_icap_queue_depth',
    'ICAP requests that wait for a connection to a backend.',
    ['service'],
    (set) => {
      for (const [index, service] of services()) set({ service }, sources.queueDepth(index) ?? 0);
    },
  );
}
