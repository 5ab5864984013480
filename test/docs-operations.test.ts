import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { addCtlCommand } from '../src/cli/ctl.ts';
import type { LogEventName, LogEvents } from '../src/observe/log-event.ts';
import { definitionOf, LOG_EVENT_NAMES } from '../src/observe/log-table.ts';
import { runCli } from './_util/cli-recorder.ts';
import { alertRules } from './_util/deploy-prometheus.ts';
import { SAMPLE_EVENTS } from './_util/observe-record.ts';

const DOC = await readFile(new URL('../docs/operations.md', import.meta.url), 'utf8');
const METRICS_DOC = await readFile(new URL('../docs/metrics.md', import.meta.url), 'utf8');
const ALERTS = alertRules();
const RUNBOOK = 'docs/operations.md#';

/** Headings of the third level with what stands under them. */
const SECTIONS = DOC.split(/^### /m)
  .slice(1)
  .map((section) => {
    const [heading = '', ...lines] = section.split('\n');
    return { anchor: anchorOf(heading), text: lines.join('\n').split(/^## /m)[0] ?? '' };
  });

/** The rows of lines that ask for something: event, words, what to do. */
const ROWS = (DOC.split(/^## /m).find((part) => part.startsWith('Lines that ask for something')) ?? '')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()));

describe('the alerts of docs/operations.md', () => {
  test.each(ALERTS.map((rule) => [rule.alert, rule] as const))('%s has its paragraph', (alert, rule) => {
    const anchor = rule.annotations['runbook']?.replace(RUNBOOK, '');
    const section = SECTIONS.find((each) => each.anchor === anchor);
    expect(section?.text.trimStart().split('. ')[0]).toMatch(
      new RegExp(`^\`${alert}\`, ${rule.labels['severity']}\\.?(?:\\n|$)`),
    );
  });

  test('there is no paragraph for an alert that does not exist', () => {
    const anchors = SECTIONS.map(({ anchor }) => anchor).filter((anchor) => anchor.startsWith('icapgw-'));
    expect(anchors.sort()).toEqual(
      ALERTS.map(({ annotations }) => annotations['runbook']?.replace(RUNBOOK, '')).sort(),
    );
  });
});

describe('the lines of docs/operations.md', () => {
  test('every event of level warning or error is there once, and no other', () => {
    const asking = LOG_EVENT_NAMES.filter((event) => ['warning', 'error'].includes(definitionOf(event).level));
    expect(ROWS.map(([, event]) => event).sort()).toEqual(asking.map((event) => `\`${event}\``).sort());
  });

  test.each(ROWS.map(([, event = '', words = '', advice = '']) => [event.replaceAll('`', ''), words, advice] as const))(
    '%s reads so, and says what to do',
    (event, words, advice) => {
      const pieces = words.split('…').map((piece) => piece.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
      expect(textOf(event as LogEventName)).toMatch(new RegExp(`^${pieces.join('.*')}$`));
      expect(advice).toMatch(/\w/);
    },
  );
});

test('every metric that docs/operations.md names is in docs/metrics.md', () => {
  const named = [...DOC.matchAll(/\bicapgw_[a-z_]+/g)].map(([name]) => name);
  expect(named.filter((name) => !METRICS_DOC.includes(`\`${name}\``))).toEqual([]);
});

test('every command of ctl that docs/operations.md names exists', async () => {
  const named = new Set([...DOC.matchAll(/\bicapgw ctl ([a-z]+)/g)].map(([, name = '']) => name));
  expect(named.size).toBeGreaterThan(5);
  for (const name of named) {
    const { exitCode, stdout } = await runCli(['ctl', name, '--help'], addCtlCommand, { cwd: '/' });
    expect({ name, exitCode, stdout }).toEqual({ name, exitCode: 0, stdout: expect.stringContaining(`ctl ${name} `) });
  }
});

function textOf<E extends LogEventName>(event: E): string {
  return definitionOf(event).text(SAMPLE_EVENTS[event] as LogEvents[E]);
}

function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');
}
