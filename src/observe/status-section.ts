import type { ConnectionEntry, ConnectionList } from './connection-entry.ts';
import { type Html, html } from './html.ts';
import { VERDICTS } from './labels.ts';
import type { Latency } from './quantile.ts';
import type { RecentEvent, RecentRefusal } from './recent-events.ts';
import {
  type BackendStatus,
  type CertificateStatus,
  entranceText,
  type IcapStatus,
  type ServiceStatus,
  type StatusSnapshot,
} from './status.ts';
import { type Column, renderSection, renderTable } from './status-table.ts';
import { agoText, clockText, daysText, durationText, sizeText } from './status-time.ts';

/** More than that is for programs. */
export const MOST_CONNECTIONS = 20;

const CERTIFICATE_COLUMNS: readonly Column<CertificateStatus>[] = [
  { title: 'service', cell: ({ service }) => service },
  { title: 'kind', cell: ({ kind }) => kind },
  { title: 'subject', cell: ({ subject }) => subject },
  { title: 'expires (UTC)', cell: ({ expires }) => clockText(expires) },
  { title: 'left', cell: ({ days, due }) => (due ? mark(days < 0 ? 'bad' : 'warn', daysText(days)) : daysText(days)) },
];

const CONNECTION_COLUMNS: readonly Column<ConnectionEntry>[] = [
  { title: 'number', cell: ({ connection }) => connection, isNumber: true },
  { title: 'service', cell: ({ service }) => service },
  { title: 'client', cell: ({ client }) => client },
  { title: 'subject', cell: ({ subject }) => subject ?? '-' },
  { title: 'TLS', cell: ({ tls }) => tls ?? '-' },
  { title: 'backend', cell: ({ backend }) => backend ?? '-' },
  { title: 'does', cell: ({ activity }) => activity },
  { title: 'open for', cell: ({ ms }) => durationText(ms) },
  { title: 'received', cell: ({ bytesIn }) => sizeText(bytesIn), isNumber: true },
  { title: 'sent', cell: ({ bytesOut }) => sizeText(bytesOut), isNumber: true },
];

const REFUSAL_COLUMNS: readonly Column<RecentRefusal>[] = [
  { title: 'last time (UTC)', cell: ({ time }) => clockText(time) },
  { title: 'times', cell: ({ count }) => count, isNumber: true },
  { title: 'service', cell: ({ service }) => service ?? '-' },
  { title: 'client', cell: ({ client }) => client },
  { title: 'reason', cell: ({ reason }) => mark('warn', reason) },
  { title: 'what happened', cell: ({ text }) => text },
];

const CHANGE_COLUMNS: readonly Column<RecentEvent>[] = [
  { title: 'time (UTC)', cell: ({ time }) => clockText(time) },
  { title: 'service', cell: ({ service }) => service ?? '-' },
  { title: 'what happened', cell: ({ text, level }) => (level === 'notice' ? text : mark('warn', text)) },
];

/** One service with its backends. `nowMs` is the time of the snapshot. */
export function renderService(service: ServiceStatus, index: number, nowMs: number): Html {
  const { name, protocol, connections, bytes, icap, backends } = service;
  return html`<section id="service-${index}" aria-labelledby="service-${index}-name">
<h2 id="service-${index}-name">${name} <small>${protocol} ${entranceText(service)}</small></h2>
<dl class="tiles">
<div><dt>connections open</dt><dd>${connections.active}</dd></div>
<div><dt>accepted</dt><dd>${connections.accepted}</dd></div>
<div><dt>rejected</dt><dd>${connections.rejected}</dd></div>
<div><dt>handshakes failed</dt><dd>${connections.handshakesFailed}</dd></div>
<div><dt>received</dt><dd>${sizeText(bytes.received)}</dd></div>
<div><dt>sent</dt><dd>${sizeText(bytes.sent)}</dd></div>
${icap === null ? '' : html`<div><dt>requests waiting</dt><dd>${icap.queued}</dd></div>`}
</dl>
${renderTable('Backends', backendColumns(nowMs), backends)}
<div class="pair">
${icap === null ? '' : renderVerdicts(icap)}
${renderLatency(service)}
</div>
</section>`;
}

export function renderCertificates({ certificates }: StatusSnapshot): Html {
  const section = {
    ...{ id: 'certificates', title: 'Certificates and revocation lists' },
    whenEmpty: 'No service uses TLS.',
  };
  return renderSection(section, CERTIFICATE_COLUMNS, certificates);
}

/** Undefined: the workers did not tell. */
export function renderConnections(list: ConnectionList | undefined): Html {
  const shown = list?.connections.slice(0, MOST_CONNECTIONS) ?? [];
  const total = list?.total ?? 0;
  const title = total > shown.length ? `Connections, the oldest ${shown.length} of ${total}` : 'Connections';
  const whenEmpty = list === undefined ? 'The workers did not answer in time.' : 'No client is connected.';
  return renderSection({ id: 'connections', title, whenEmpty }, CONNECTION_COLUMNS, shown);
}

export function renderRefusals({ refusals }: StatusSnapshot): Html {
  const section = { id: 'refusals', title: 'Recent refusals', whenEmpty: 'Nobody was refused since the start.' };
  return renderSection(section, REFUSAL_COLUMNS, refusals);
}

export function renderChanges({ changes }: StatusSnapshot): Html {
  const section = { id: 'changes', title: 'Recent changes', whenEmpty: 'Nothing has changed since the start.' };
  return renderSection(section, CHANGE_COLUMNS, changes);
}

function backendColumns(nowMs: number): readonly Column<BackendStatus>[] {
  return [
    { title: 'backend', cell: ({ name }) => name },
    { title: 'address', cell: ({ name, address }) => (address === name ? '-' : address) },
    { title: 'state', cell: ({ state }) => html`<span class="state ${state}">${state}</span>` },
    { title: 'for', cell: ({ since }) => agoText(since, nowMs) },
    { title: 'why', cell: ({ reason }) => reason },
    { title: 'weight', cell: ({ weight }) => weight, isNumber: true },
    { title: 'in use', cell: ({ active }) => active, isNumber: true },
    { title: 'idle', cell: ({ idle }) => idle, isNumber: true },
    { title: 'limit', cell: ({ limit }) => limit ?? 'none', isNumber: true },
  ];
}

function renderVerdicts({ verdicts, lastMinute }: IcapStatus): Html {
  return renderTable(
    'Verdicts',
    [
      { title: 'verdict', cell: (verdict) => verdict },
      { title: 'in the last minute', cell: (verdict) => lastMinute[verdict], isNumber: true },
      { title: 'since the start', cell: (verdict) => verdicts[verdict], isNumber: true },
    ],
    VERDICTS,
  );
}

function renderLatency({ icap, handshakeLatency }: ServiceStatus): Html {
  const rows: readonly { readonly what: string; readonly latency: Latency | null }[] = [
    ...(icap === null ? [] : [{ what: 'request to answer', latency: icap.latency }]),
    { what: 'TLS handshake', latency: handshakeLatency },
  ];
  const ms = (value: number | undefined): string => (value === undefined ? '-' : `${value} ms`);
  return renderTable(
    'Latency in the last minute',
    [
      { title: 'of', cell: ({ what }) => what },
      { title: 'count', cell: ({ latency }) => latency?.count ?? 0, isNumber: true },
      { title: 'half within', cell: ({ latency }) => ms(latency?.p50Ms), isNumber: true },
      { title: '95 % within', cell: ({ latency }) => ms(latency?.p95Ms), isNumber: true },
      { title: '99 % within', cell: ({ latency }) => ms(latency?.p99Ms), isNumber: true },
    ],
    rows,
  );
}

function mark(kind: 'warn' | 'bad', text: string): Html {
  return html`<span class="${kind}">${text}</span>`;
}
