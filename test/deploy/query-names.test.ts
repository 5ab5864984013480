import { readFileSync } from 'node:fs';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import {
  BACKEND_RESULTS,
  BACKEND_STATES,
  BYPASS_RULES,
  CERTIFICATE_KINDS,
  CLOSE_REASONS,
  CONTENT_METHODS,
  HANDSHAKE_FAILURES,
  HEALTH_CHECK_RESULTS,
  REJECT_REASONS,
  RELOAD_RESULTS,
  RETRY_REASONS,
  VERDICTS,
} from '../../src/observe/labels.ts';
import { panelQueries, readDashboard } from '../_util/deploy-grafana.ts';
import { alertRules, recordingRules } from '../_util/deploy-prometheus.ts';
import { type Selector, selectorsOf } from '../_util/promql-selector.ts';

const RECORDED = recordingRules();
const DASHBOARD = readDashboard();

const QUERIES: readonly { readonly place: string; readonly expr: string }[] = [
  ...RECORDED.map(({ record, expr }) => ({ place: record, expr })),
  ...alertRules().map(({ alert, expr }) => ({ place: alert, expr })),
  ...panelQueries(DASHBOARD),
  ...DASHBOARD.annotations.list.map(({ name, expr }) => ({ place: `annotation ${name}`, expr })),
  ...DASHBOARD.templating.list.map(({ name, definition = '' }) => ({ place: `variable ${name}`, expr: definition })),
];

/** The values of labels whose sets are closed, for every metric that has such a label or is recorded from one. */
const VALUES: readonly (readonly [metric: RegExp, label: string, values: readonly string[]])[] = [
  [/backend_state/, 'state', BACKEND_STATES],
  [/backend_connections/, 'result', BACKEND_RESULTS],
  [/backend_health_check/, 'result', HEALTH_CHECK_RESULTS],
  [/config_reloads/, 'result', RELOAD_RESULTS],
  [/connections_closed/, 'reason', CLOSE_REASONS],
  [/connections_rejected/, 'reason', REJECT_REASONS],
  [/tls_handshake_failures|tls_refusals/, 'reason', HANDSHAKE_FAILURES],
  [/icap_retries/, 'reason', RETRY_REASONS],
  [/icap_bypassed/, 'rule', BYPASS_RULES],
  [/icap_verdicts/, 'verdict', VERDICTS],
  [/icap_(verdicts|request_seconds)/, 'method', CONTENT_METHODS],
  [/certificate_expiry/, 'kind', CERTIFICATE_KINDS],
];

/** What Prometheus adds to every series it scrapes. */
const TARGET_LABELS = ['job', 'instance'];

const LABELS: ReadonlyMap<string, readonly string[]> = new Map([
  ...documentedMetrics(),
  ...processMetrics(),
  ...RECORDED.map(({ record }) => [record, [...TARGET_LABELS, ...recordedLabels(record)]] as const),
  ['up', TARGET_LABELS],
  ['ALERTS', [...TARGET_LABELS, 'alertname', 'alertstate', 'severity']],
]);

/** From docs/metrics.md, which another test holds against the gateway. */
function documentedMetrics(): [string, readonly string[]][] {
  const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  return [...text.matchAll(/^\| `(icapgw_\w+)` *\| (\w+) *\|([^|]*)\|/gm)].flatMap(
    ([, name = '', type, labelText = '']): [string, readonly string[]][] => {
      const labels = [...TARGET_LABELS, ...[...labelText.matchAll(/\w+/g)].map(([label]) => label)];
      if (type !== 'histogram') return [[name, labels]];
      return [
        [`${name}_bucket`, [...labels, 'le']],
        [`${name}_sum`, labels],
        [`${name}_count`, labels],
      ];
    },
  );
}

function processMetrics(): [string, readonly string[]][] {
  const register = new Registry();
  collectDefaultMetrics({ register });
  return register.getMetricsAsArray().map(({ name }) => [name, TARGET_LABELS]);
}

/** What the first part of a recorded name says. */
function recordedLabels(record: string): readonly string[] {
  return record.split(':')[0]?.split('_') ?? [];
}

function closedSet(metric: string, label: string): readonly string[] | undefined {
  return VALUES.find(([pattern, of]) => of === label && pattern.test(metric))?.[2];
}

/** Values that no series can have. An expression with a variable or a wildcard may mean anything. */
function impossibleValues({ metric, matchers }: Selector): string[] {
  return matchers.flatMap(({ label, isRegex, value }) => {
    const values = closedSet(metric, label);
    const asked = isRegex ? value.split('|') : [value];
    return asked.filter((each) => values !== undefined && !values.includes(each)).map((each) => `${label}="${each}"`);
  });
}

describe.each(QUERIES.filter(({ expr }) => expr !== 'prometheus' && expr !== ''))('$place', ({ expr }) => {
  const selectors = selectorsOf(expr);

  test('asks for metrics that exist', () => {
    expect(selectors).not.toEqual([]);
    expect(selectors.filter(({ metric }) => !LABELS.has(metric))).toEqual([]);
  });

  test('asks for labels and values that they have', () => {
    for (const selector of selectors) {
      const labels = LABELS.get(selector.metric) ?? [];
      expect(selector.matchers.map(({ label }) => label).filter((label) => !labels.includes(label))).toEqual([]);
      expect(impossibleValues(selector)).toEqual([]);
    }
  });
});

test('every recorded series is used by an alert or on the dashboard', () => {
  const used = new Set(QUERIES.flatMap(({ expr }) => selectorsOf(expr)).map(({ metric }) => metric));
  expect(RECORDED.map(({ record }) => record).filter((record) => !used.has(record))).toEqual([]);
});
