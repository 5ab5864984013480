import {
  type BlockedEntry,
  type BlockedReport,
  endWithoutTime,
  type QueueReport,
  type SmcReport,
} from './blocked-report.ts';
import { type Html, html } from './html.ts';
import type { StatusSnapshot } from './status.ts';
import { type Column, renderSection } from './status-table.ts';
import { clockText, durationText } from './status-time.ts';

/** More than that is for programs. */
export const MOST_BLOCKED = 20;

const COLUMNS: readonly Column<BlockedEntry>[] = [
  { title: 'address', cell: ({ ip }) => ip },
  { title: 'source', cell: ({ source }) => source },
  { title: 'for', cell: ({ type }) => (type === '' ? '-' : type) },
  { title: 'since (UTC)', cell: ({ since }) => clockText(since) },
  { title: 'until (UTC)', cell: ({ until, source }) => (until === null ? endWithoutTime(source) : clockText(until)) },
  { title: 'findings', cell: ({ findings }) => findings, isNumber: true },
  { title: 'relay', cell: ({ relay }) => (relay === 'failed' ? html`<span class="bad">failed</span>` : relay) },
  { title: 'engines', cell: enginesText },
];

/** Who is blocked, and how the relay to the engines is doing where there is one. */
export function renderBlocked({ entries, queue, smc }: BlockedReport, { blocked }: StatusSnapshot): Html {
  const more = blocked > entries.length ? `, the newest ${entries.length} of ${blocked}` : '';
  const section = { id: 'blocked', title: `Blocked addresses${more}`, whenEmpty: 'Nobody is blocked.' };
  return renderSection(section, COLUMNS, entries, [
    ...(queue === null || smc === null ? [] : [renderQueue(queue)]),
    ...(queue === null || queue.trouble === null ? [] : [renderTrouble(queue.trouble)]),
    ...(smc === null ? [] : [renderSmc(smc)]),
  ]);
}

function renderQueue({ type, depth, oldestSeconds }: QueueReport): Html {
  return html`<dl class="tiles">
<div><dt>queue</dt><dd>${type}</dd></div>
<div><dt>waiting for engines</dt><dd>${depth}</dd></div>
<div><dt>oldest waits</dt><dd>${depth === 0 ? '-' : durationText(oldestSeconds * 1000)}</dd></div>
</dl>`;
}

function renderTrouble(trouble: string): Html {
  return html`<p>queue: <span class="warn">findings cannot be kept</span>; ${trouble}</p>`;
}

function renderSmc({ up, version, lastSuccess, lastError }: SmcReport): Html {
  const success = lastSuccess === null ? 'no success yet' : `last success ${clockText(lastSuccess)} UTC`;
  const state = [up ? 'up' : 'not up', ...(version === null ? [] : [`API ${version}`]), success].join(', ');
  const kind = up ? 'state up' : lastError === null ? 'state' : 'warn';
  return html`<p>SMC: <span class="${kind}">${state}</span>${lastError === null ? '' : html`; ${lastError}`}</p>`;
}

function enginesText({ engines }: BlockedEntry): string {
  const parts = Object.entries(engines).map(([name, outcome]) => `${name}: ${outcome}`);
  return parts.length === 0 ? '-' : parts.join(', ');
}
