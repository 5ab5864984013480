import { describe, expect, test } from 'vitest';
import { CounterTotals } from '../../src/observe/counter-totals.ts';
import { createCounterBuffer, createCounterLayout, WorkerCounters } from '../../src/observe/counters.ts';
import {
  BACKEND_STATES,
  CLOSE_REASONS,
  HANDSHAKE_BUCKETS_SECONDS,
  HEALTH_CHECK_RESULTS,
} from '../../src/observe/labels.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { type Family, parsePrometheus, sampleOf } from '../_util/observe-prometheus.ts';

const LAYOUT = createCounterLayout({ services: ['mcas', 'od"d\\'], backends: [['dlp-1', 'dlp-2'], ['x']], workers: 2 });

function createMetrics(): { metrics: Metrics; worker: WorkerCounters; scrape(): Promise<Map<string, Family>> } {
  const buffer = createCounterBuffer(LAYOUT);
  const metrics = new Metrics({
    feed: undefined,
    build: { version: '1.2.3', node: 'v26.0.0', openssl: '3.5.1' },
    totals: new CounterTotals(LAYOUT, buffer),
    sources: {
      connectionsActive: (service) => service + 7,
      backends: (service) =>
        (LAYOUT.backends[service] ?? []).map((name) => ({ name, state: name === 'dlp-2' ? 'drain' : 'up', active: 2 })),
      queueDepth: (service) => (service === 0 ? 3 : undefined),
      blockCounts: () => new Map([['manual', 2]]),
      logLinesLost: () => 5,
      spans: () => ({ exported: 7, lost: 2 }),
    },
  });
  return {
    metrics,
    worker: new WorkerCounters(LAYOUT, buffer, 1),
    scrape: async () => parsePrometheus(await metrics.text()),
  };
}

describe('the scrape', () => {
  test('says what runs', async () => {
    const { scrape } = createMetrics();
    const labels = { version: '1.2.3', node: 'v26.0.0', openssl: '3.5.1' };
    expect(sampleOf(await scrape(), 'icapgw_build_info', labels)).toBe(1);
  });

  test('shows what workers counted, also the second time', async () => {
    const { worker, scrape } = createMetrics();
    worker.connectionAccepted(0);
    worker.connectionClosed(0, 'idle-timeout');
    worker.connectionRejected(1, 'denied');
    worker.bytes(0, 11, 22);
    worker.handshakeDone(0, 'TLSv1.3', true, 0.02);
    worker.handshakeFailed(0, 'unknown-ca');
    worker.backendAttempt(0, 1, 'refused');
    worker.lastResort(1);
    await scrape();
    const families = await scrape();
    expect(sampleOf(families, 'icapgw_connections_total', { service: 'mcas' })).toBe(1);
    expect(sampleOf(families, 'icapgw_connections_closed_total', { service: 'mcas', reason: 'idle-timeout' })).toBe(1);
    expect(sampleOf(families, 'icapgw_connections_rejected_total', { service: 'od"d\\', reason: 'denied' })).toBe(1);
    expect(sampleOf(families, 'icapgw_bytes_total', { service: 'mcas', direction: 'received' })).toBe(11);
    expect(sampleOf(families, 'icapgw_bytes_total', { service: 'mcas', direction: 'sent' })).toBe(22);
    const handshake = { service: 'mcas', version: 'TLSv1.3', resumed: 'true' };
    expect(sampleOf(families, 'icapgw_tls_handshakes_total', handshake)).toBe(1);
    const failure = { service: 'mcas', reason: 'unknown-ca' };
    expect(sampleOf(families, 'icapgw_tls_handshake_failures_total', failure)).toBe(1);
    const attempt = { service: 'mcas', backend: 'dlp-2', result: 'refused' };
    expect(sampleOf(families, 'icapgw_backend_connections_total', attempt)).toBe(1);
    expect(sampleOf(families, 'icapgw_backend_last_resort_total', { service: 'od"d\\' })).toBe(1);
    expect(sampleOf(families, 'icapgw_log_lines_lost_total', {})).toBe(5);
    expect(sampleOf(families, 'icapgw_trace_spans_total', { result: 'exported' })).toBe(7);
    expect(sampleOf(families, 'icapgw_trace_spans_total', { result: 'lost' })).toBe(2);
  });

  test('shows what is open and in which state backends are', async () => {
    const families = await createMetrics().scrape();
    expect(sampleOf(families, 'icapgw_connections_active', { service: 'od"d\\' })).toBe(8);
    const backend = { service: 'mcas', backend: 'dlp-2' };
    expect(sampleOf(families, 'icapgw_backend_up', backend)).toBe(0);
    expect(sampleOf(families, 'icapgw_backend_up', { service: 'mcas', backend: 'dlp-1' })).toBe(1);
    expect(sampleOf(families, 'icapgw_backend_connections_active', backend)).toBe(2);
    const states = BACKEND_STATES.map((state) => sampleOf(families, 'icapgw_backend_state', { ...backend, state }));
    expect(states).toEqual(BACKEND_STATES.map((state) => Number(state === 'drain')));
  });

  test('has a histogram that Prometheus takes for one of its own', async () => {
    const { worker, metrics, scrape } = createMetrics();
    worker.handshakeDone(0, 'TLSv1.3', false, 0.0005);
    worker.handshakeDone(0, 'TLSv1.3', false, 60);
    const families = await scrape();
    const name = 'icapgw_tls_handshake_seconds';
    expect(families.get(name)?.type).toBe('histogram');
    for (const le of HANDSHAKE_BUCKETS_SECONDS) {
      expect(sampleOf(families, `${name}_bucket`, { service: 'mcas', le: String(le) })).toBe(1);
    }
    expect(sampleOf(families, `${name}_bucket`, { service: 'mcas', le: '+Inf' })).toBe(2);
    expect(sampleOf(families, `${name}_count`, { service: 'mcas' })).toBe(2);
    expect(sampleOf(families, `${name}_sum`, { service: 'mcas' })).toBe(60.0005);
    const json = await metrics.registry.getMetricsAsJSON();
    expect(json.find((metric) => metric.name === name)).toMatchObject({
      type: 'histogram',
      values: expect.arrayContaining([{ metricName: `${name}_count`, labels: { service: 'mcas' }, value: 2 }]),
    });
  });

  test('shows ICAP requests by who answered them, and only answers there were', async () => {
    const { worker, scrape } = createMetrics();
    const name = 'icapgw_icap_requests_total';
    expect((await scrape()).get(name)?.samples).toEqual([]);
    worker.icapAnswered(0, 'REQMOD', 1, 204);
    worker.icapAnswered(0, 'REQMOD', 1, 204);
    worker.icapAnswered(0, 'OPTIONS', undefined, 200);
    worker.icapAnswered(0, 'other', undefined, 999);
    const families = await scrape();
    expect(families.get(name)?.samples).toHaveLength(3);
    const labels = { service: 'mcas', method: 'REQMOD', backend: 'dlp-2', status: '204' };
    expect(sampleOf(families, name, labels)).toBe(2);
    expect(sampleOf(families, name, { ...labels, method: 'OPTIONS', backend: 'none', status: '200' })).toBe(1);
    expect(sampleOf(families, name, { ...labels, method: 'other', backend: 'none', status: 'other' })).toBe(1);
  });

  test('shows verdicts, retries, bypassed content and how long requests took', async () => {
    const { worker, scrape } = createMetrics();
    worker.icapFinished(0, 'RESPMOD', 'blocked', 0.3);
    worker.icapFinished(0, 'RESPMOD', 'allowed', 400);
    worker.icapRetried(0, '5xx');
    worker.icapBypassed(0, 'file-type');
    const families = await scrape();
    const method = { service: 'mcas', method: 'RESPMOD' };
    expect(sampleOf(families, 'icapgw_icap_verdicts_total', { ...method, verdict: 'blocked' })).toBe(1);
    expect(sampleOf(families, 'icapgw_icap_verdicts_total', { ...method, verdict: 'error' })).toBe(0);
    expect(sampleOf(families, 'icapgw_icap_request_seconds_bucket', { ...method, le: '0.25' })).toBe(0);
    expect(sampleOf(families, 'icapgw_icap_request_seconds_bucket', { ...method, le: '300' })).toBe(1);
    expect(sampleOf(families, 'icapgw_icap_request_seconds_count', method)).toBe(2);
    expect(sampleOf(families, 'icapgw_icap_request_seconds_sum', method)).toBe(400.3);
    expect(sampleOf(families, 'icapgw_icap_request_seconds_count', { ...method, method: 'REQMOD' })).toBe(0);
    expect(sampleOf(families, 'icapgw_icap_retries_total', { service: 'mcas', reason: '5xx' })).toBe(1);
    expect(sampleOf(families, 'icapgw_icap_bypassed_total', { service: 'mcas', rule: 'file-type' })).toBe(1);
    expect(sampleOf(families, 'icapgw_icap_queue_depth', { service: 'mcas' })).toBe(3);
  });

  test('has nothing about ICAP for a service that is a tunnel', async () => {
    const families = await createMetrics().scrape();
    const services = (name: string): Set<string | undefined> =>
      new Set(families.get(name)?.samples.map(({ labels }) => labels['service']));
    const names = [...families.keys()].filter((name) => name.startsWith('icapgw_icap_'));
    expect(names).toHaveLength(6);
    for (const name of names) expect([...services(name)]).not.toContain('od"d\\');
    expect(services('icapgw_connections_total')).toContain('od"d\\');
  });

  test('has every value of a closed label set from the start', async () => {
    const families = await createMetrics().scrape();
    for (const reason of CLOSE_REASONS) {
      expect(sampleOf(families, 'icapgw_connections_closed_total', { service: 'mcas', reason })).toBe(0);
    }
    for (const result of HEALTH_CHECK_RESULTS) {
      const labels = { service: 'mcas', backend: 'dlp-1', result };
      expect(sampleOf(families, 'icapgw_backend_health_checks_total', labels)).toBe(0);
    }
    expect(sampleOf(families, 'icapgw_config_reloads_total', { result: 'failure' })).toBe(0);
    expect(sampleOf(families, 'icapgw_worker_restarts_total', {})).toBe(0);
    expect(sampleOf(families, 'icapgw_config_last_reload_success_timestamp_seconds', {})).toBeGreaterThan(1.7e9);
  });

  test('shows TLS versions below 1.2 only once they were used', async () => {
    const { worker, scrape } = createMetrics();
    const versions = async (): Promise<Set<string | undefined>> =>
      new Set((await scrape()).get('icapgw_tls_handshakes_total')?.samples.map(({ labels }) => labels['version']));
    expect(await versions()).toEqual(new Set(['TLSv1.2', 'TLSv1.3']));
    worker.handshakeDone(0, 'TLSv1', false, 1);
    expect(await versions()).toEqual(new Set(['TLSv1', 'TLSv1.2', 'TLSv1.3']));
  });

  test('shows events of the main thread', async () => {
    const { metrics, scrape } = createMetrics();
    metrics.healthCheck('mcas', 'dlp-1', 'timeout', 2);
    metrics.workerRestarted();
    metrics.configReload('failure');
    const families = await scrape();
    const backend = { service: 'mcas', backend: 'dlp-1' };
    expect(sampleOf(families, 'icapgw_backend_health_checks_total', { ...backend, result: 'timeout' })).toBe(1);
    expect(sampleOf(families, 'icapgw_backend_health_check_seconds_sum', backend)).toBe(2);
    expect(sampleOf(families, 'icapgw_backend_health_check_seconds_count', { ...backend, backend: 'dlp-2' })).toBe(0);
    expect(sampleOf(families, 'icapgw_worker_restarts_total', {})).toBe(1);
    expect(sampleOf(families, 'icapgw_config_reloads_total', { result: 'failure' })).toBe(1);
  });

  test('says whether the last attempt to load the configuration succeeded, the first one did', async () => {
    const { metrics, scrape } = createMetrics();
    const isSuccessful = async () => sampleOf(await scrape(), 'icapgw_config_last_reload_successful', {});
    expect(await isSuccessful()).toBe(1);
    metrics.configReload('failure');
    expect(await isSuccessful()).toBe(0);
    metrics.configReload('success');
    expect(await isSuccessful()).toBe(1);
  });

  test('shows the soonest expiry of each kind, and forgets dates that are replaced', async () => {
    const { metrics, scrape } = createMetrics();
    const name = 'icapgw_certificate_expiry_timestamp_seconds';
    metrics.certificateExpiry([
      { service: 'mcas', kind: 'client-ca', expiresMs: 3_000 },
      { service: 'mcas', kind: 'client-ca', expiresMs: 1_000 },
      { service: 'mcas', kind: 'client-ca', expiresMs: 2_000 },
      { service: 'mcas', kind: 'crl', expiresMs: 4_000 },
    ]);
    expect(sampleOf(await scrape(), name, { service: 'mcas', kind: 'client-ca' })).toBe(1);
    metrics.certificateExpiry([{ service: 'mcas', kind: 'server', expiresMs: 9_000 }]);
    expect((await scrape()).get(name)?.samples).toEqual([
      { name, labels: { service: 'mcas', kind: 'server' }, value: 9 },
    ]);
  });

  test('tells of the process too', async () => {
    const families = await createMetrics().scrape();
    expect(sampleOf(families, 'process_resident_memory_bytes', {})).toBeGreaterThan(1e6);
    expect(families.has('process_cpu_seconds_total')).toBe(true);
    expect(families.has('nodejs_eventloop_lag_seconds')).toBe(true);
  });

  test('two gateways in one process do not share a registry', async () => {
    const first = createMetrics();
    const second = createMetrics();
    first.metrics.workerRestarted();
    expect(sampleOf(await second.scrape(), 'icapgw_worker_restarts_total', {})).toBe(0);
  });
});
