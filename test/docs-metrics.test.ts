import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { CounterTotals } from '../src/observe/counter-totals.ts';
import { createCounterBuffer, createCounterLayout, WorkerCounters } from '../src/observe/counters.ts';
import { FeedCounts } from '../src/observe/feed-counts.ts';
import {
  FEED_ADDRESS_RESULTS,
  FEED_IGNORE_REASONS,
  SMC_ENTRY_RESULTS,
  SMC_OPERATIONS,
} from '../src/observe/feed-tally.ts';
import {
  BACKEND_RESULTS,
  BACKEND_STATES,
  BYPASS_RULES,
  CERTIFICATE_KINDS,
  CLOSE_REASONS,
  DIRECTIONS,
  HANDSHAKE_FAILURES,
  HANDSHAKE_VERSIONS,
  HEALTH_CHECK_RESULTS,
  ICAP_METHODS,
  ICAP_STATUSES,
  REJECT_REASONS,
  RELOAD_RESULTS,
  RETRY_REASONS,
  VERDICTS,
} from '../src/observe/labels.ts';
import { definitionOf, LOG_EVENT_NAMES } from '../src/observe/log-table.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { parsePrometheus } from './_util/observe-prometheus.ts';
import { SAMPLE_EVENTS } from './_util/observe-record.ts';

const DOC = await readFile(new URL('../docs/metrics.md', import.meta.url), 'utf8');

/** The rows of the table under a heading, as cells. */
function tableOf(heading: string): string[][] {
  const section = DOC.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const rows = section.split('\n').filter((line) => /^\| [^-]/.test(line));
  return rows.slice(1).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function firstCells(heading: string): string[] {
  return tableOf(heading).map(([first = '']) => first.replaceAll('`', ''));
}

describe('docs/metrics.md', () => {
  test('has every metric with its type and labels, and no other', async () => {
    const layout = createCounterLayout({ services: ['s'], backends: [['b']], workers: 1 });
    const buffer = createCounterBuffer(layout);
    const counts = new FeedCounts(['guardduty']);
    counts.smcEntries('NGFW 1', 'added', 1);
    const metrics = new Metrics({
      feed: {
        ...{ counts, hasSmc: true, backlog: () => ({ depth: 0, oldestSeconds: 0 }) },
        certificateEndMs: () => undefined,
      },
      build: { version: '1', node: '1', openssl: '1' },
      totals: new CounterTotals(layout, buffer),
      sources: {
        connectionsActive: () => 0,
        backends: () => [{ name: 'b', state: 'up', active: 0 }],
        queueDepth: () => 0,
        blockCounts: () => new Map([['manual', 0]]),
        logLinesLost: () => 0,
        spans: () => ({ exported: 0, lost: 0 }),
      },
    });
    new WorkerCounters(layout, buffer, 0).icapAnswered(0, 'REQMOD', 0, 204);
    metrics.certificateExpiry([{ service: 's', kind: 'crl', expiresMs: 0 }]);
    const families = [...parsePrometheus(await metrics.text()).values()];
    const told = families
      .filter(({ name }) => name.startsWith('icapgw_'))
      .map(({ name, type, samples }) => {
        const labels = Object.keys(samples[0]?.labels ?? {}).filter((label) => label !== 'le');
        return [name, type, labels.sort().join(', ')];
      });
    const documented = tableOf('Metrics').map(([name = '', type = '', labels = '']) => [
      name.replaceAll('`', ''),
      type,
      labels.replaceAll('`', '').split(', ').sort().join(', '),
    ]);
    expect(documented.sort()).toEqual(told.sort());
  });

  test.each([
    ['Closed connections', CLOSE_REASONS],
    ['Rejected connections', REJECT_REASONS],
    ['Failed handshakes', HANDSHAKE_FAILURES],
    ['States of a backend', BACKEND_STATES],
    ['Attempts to connect a backend', BACKEND_RESULTS],
    ['Health checks', HEALTH_CHECK_RESULTS],
    ['Verdicts', VERDICTS],
    ['Retries', RETRY_REASONS],
    ['Rules that bypass', BYPASS_RULES],
    ['Addresses that are not blocked', FEED_IGNORE_REASONS],
  ])('%s: has every value, what it means and what to do', (heading, values) => {
    expect(firstCells(heading)).toEqual([...values]);
    for (const row of tableOf(heading)) expect(row.every((cell) => cell !== '')).toBe(true);
  });

  test.each([
    ['direction', DIRECTIONS],
    ['version', HANDSHAKE_VERSIONS],
    ['kind', CERTIFICATE_KINDS],
    ['result', RELOAD_RESULTS],
    ['result of addresses', FEED_ADDRESS_RESULTS],
    ['result at engines', SMC_ENTRY_RESULTS],
    ['operation', SMC_OPERATIONS],
  ])('has every value of %s', (_, values) => {
    for (const value of values) expect(DOC).toContain(`\`${value}\``);
  });

  test('has every method and status of requests', () => {
    const [methods, , statuses] = tableOf('Requests').map(([, values = '']) => values);
    for (const method of ICAP_METHODS) expect(methods).toContain(`\`${method}\``);
    for (const status of ICAP_STATUSES) expect(statuses).toMatch(new RegExp(`\\b${status}\\b`));
  });

  test('has every log event with its levels', () => {
    const documented = Object.fromEntries(tableOf('The log').map(([event = '', levels = '']) => [event, levels]));
    expect(Object.keys(documented).sort()).toEqual(LOG_EVENT_NAMES.map((event) => `\`${event}\``).sort());
    for (const event of LOG_EVENT_NAMES) expect(documented[`\`${event}\``]).toContain(definitionOf(event).level);
    expect(Object.keys(SAMPLE_EVENTS).sort()).toEqual([...LOG_EVENT_NAMES].sort());
  });
});
