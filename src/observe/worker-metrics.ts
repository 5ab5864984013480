import { registerIcapMetrics } from './icap-metrics.ts';
import {
  BACKEND_RESULTS,
  BACKEND_STATES,
  BLOCK_LEVELS,
  CLOSE_REASONS,
  DIRECTIONS,
  HANDSHAKE_BUCKETS_SECONDS,
  HANDSHAKE_FAILURES,
  HANDSHAKE_VERSIONS,
  REJECT_REASONS,
  SPAN_RESULTS,
} from './labels.ts';
import type { BackendSample, WorkerMetricsOptions } from './metrics-sources.ts';
import { type Add, registerCounter, registerGauge } from './scraped-metric.ts';
import { SharedHistogram } from './shared-histogram.ts';

/** Registers what the workers count and hold. Nothing is kept here: every value is read when it is scraped. */
export function registerWorkerMetrics(options: WorkerMetricsOptions): void {
  const { registry, totals, sources } = options;
  const services = (): ArrayIterator<[number, string]> => totals.layout.services.entries();
  const perService = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    sample: (add: Add<L | 'service'>, service: string, index: number) => void,
  ): void => {
    registerCounter(registry, name, help, ['service', ...labelNames], (add: Add<L | 'service'>) => {
      for (const [index, service] of services()) sample(add, service, index);
    });
  };
  const perBackend = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    sample: (set: Add<L | 'service' | 'backend'>, service: string, backend: BackendSample) => void,
  ): void => {
    registerGauge(
      registry,
      name,
      help,
      ['service', 'backend', ...labelNames],
      (set: Add<L | 'service' | 'backend'>) => {
        for (const [index, service] of services()) {
          for (const backend of sources.backends(index)) sample(set, service, backend);
        }
      },
    );
  };

  perService('icapgw_connections_total', 'Client connections accepted.', [], (add, service, index) =>
    add({ service }, totals.accepted(index)),
  );
  registerGauge(registry, 'icapgw_connections_active', 'Client connections open now.', ['service'], (set) => {
    for (const [index, service] of services()) set({ service }, sources.connectionsActive(index));
  });
  perService(
    'icapgw_connections_closed_total',
    'Client connections that ended after their handshake, by reason.',
    ['reason'],
    (add, service, index) => {
      for (const reason of CLOSE_REASONS) add({ service, reason }, totals.closed(index, reason));
    },
  );
  perService(
    'icapgw_connections_rejected_total',
    'Client connections turned away before their handshake, by reason.',
    ['reason'],
    (add, service, index) => {
      for (const reason of REJECT_REASONS) add({ service, reason }, totals.rejected(index, reason));
    },
  );
  perService(
    'icapgw_block_list_hits_total',
    'Connections and requests turned away because an address is blocked, by where it was met.',
    ['level'],
    (add, service, index) => {
      for (const level of BLOCK_LEVELS) add({ service, level }, totals.blockHits(index, level));
    },
  );
  registerGauge(
    registry,
    'icapgw_block_list_entries',
    'Addresses and networks that are blocked.',
    ['source'],
    (set) => {
      for (const [source, count] of sources.blockCounts()) set({ source }, count);
    },
  );
  perService(
    'icapgw_bytes_total',
    'Bytes exchanged with clients, without the cost of TLS.',
    ['direction'],
    (add, service, index) => {
      for (const direction of DIRECTIONS) add({ service, direction }, totals.bytes(index, direction));
    },
  );

  perService(
    'icapgw_tls_handshakes_total',
    'TLS handshakes completed with clients that may pass.',
    ['version', 'resumed'],
    (add, service, index) => {
      for (const version of HANDSHAKE_VERSIONS) {
        const obsolete = version === 'TLSv1' || version === 'TLSv1.1';
        for (const resumed of [false, true]) {
          const count = totals.handshakes(index, version, resumed);
          if (!obsolete || count > 0) add({ service, version, resumed: String(resumed) }, count);
        }
      }
    },
  );
  perService(
    'icapgw_tls_handshake_failures_total',
    'TLS handshakes with clients that failed, by reason.',
    ['reason'],
    (add, service, index) => {
      for (const reason of HANDSHAKE_FAILURES) add({ service, reason }, totals.handshakeFailures(index, reason));
    },
  );
  new SharedHistogram({
    name: 'icapgw_tls_handshake_seconds',
    help: 'How long completed TLS handshakes with clients took.',
    buckets: HANDSHAKE_BUCKETS_SECONDS,
    labelNames: ['service'],
    registry,
    read: () =>
      [...services()].map(([index, service]) => ({ labels: { service }, totals: totals.handshakeSeconds(index) })),
  });

  perBackend('icapgw_backend_up', '1 while the backend is in state up.', [], (set, service, { name, state }) =>
    set({ service, backend: name }, Number(state === 'up')),
  );
  perBackend(
    'icapgw_backend_state',
    '1 for the state the backend is in, 0 for the others.',
    ['state'],
    (set, service, { name, state }) => {
      for (const each of BACKEND_STATES) set({ service, backend: name, state: each }, Number(each === state));
    },
  );
  perBackend(
    'icapgw_backend_connections_active',
    'Connections open to the backend now.',
    [],
    (set, service, { name, active }) => set({ service, backend: name }, active),
  );
  perService(
    'icapgw_backend_connections_total',
    'Attempts to connect the backend for a client, by result.',
    ['backend', 'result'],
    (add, service, index) => {
      for (const [position, backend] of (totals.layout.backends[index] ?? []).entries()) {
        for (const result of BACKEND_RESULTS) {
          add({ service, backend, result }, totals.backendAttempts(index, position, result));
        }
      }
    },
  );
  perService(
    'icapgw_backend_last_resort_total',
    'Connections given to a backend although all of the service were down.',
    [],
    (add, service, index) => add({ service }, totals.lastResort(index)),
  );
  registerIcapMetrics(options);
  registerCounter(registry, 'icapgw_log_lines_lost_total', 'Lines of log and access log not written.', [], (add) =>
    add({}, sources.logLinesLost()),
  );
  registerCounter(registry, 'icapgw_trace_spans_total', 'Spans for the trace collector.', ['result'], (add) => {
    for (const result of SPAN_RESULTS) add({ result }, sources.spans()[result]);
  });
}
