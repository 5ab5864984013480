import { styleText } from 'node:util';
import { printable } from '../config/show.ts';
import {
  type BlockedEntry,
  type BlockedReport,
  endWithoutTime,
  type QueueReport,
  type SmcReport,
} from '../observe/blocked-report.ts';
import type { ConnectionList } from '../observe/connection-entry.ts';
import { VERDICTS } from '../observe/labels.ts';
import type { Latency } from '../observe/quantile.ts';
import { type BackendStatus, entranceText, type ServiceStatus, type StatusSnapshot } from '../observe/status.ts';
import { agoText, clockText, daysText, durationText, sizeText } from '../observe/status-time.ts';
import { alignTable, type Cell } from './text-table.ts';

type Format = Parameters<typeof styleText>[0];
/** Colours a word, or leaves it as it is. */
export type Paint = (format: Format, text: string) => string;

const STATE_COLORS: Readonly<Record<string, Format>> = {
  up: 'green',
  ready: 'green',
  down: 'red',
  ejected: 'red',
  drain: 'yellow',
  maint: 'yellow',
  draining: 'yellow',
  starting: 'yellow',
};
const MOST_CHANGES = 5;

export function createPaint(hasColor: boolean): Paint {
  return hasColor ? (format, text) => styleText(format, text, { validateStream: false }) : (_, text) => text;
}

/** What `ctl status` prints. */
export function statusText(status: StatusSnapshot, paint: Paint): string {
  const { state, version, workers, startedAt, time, services, blocked } = status;
  const nowMs = Date.parse(time);
  const head = `icapgw ${version} is ${paintState(state, paint)}, running for ${agoText(startedAt, nowMs)}, ${workers} ${workers === 1 ? 'worker' : 'workers'}, ${blocked} blocked`;
  const parts = [
    [head],
    ...services.map((service) => serviceLines(service, nowMs, paint)),
    certificateLines(status, paint),
    recentLines(status, paint),
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${line}\n`).join(''))
    .join('\n');
}

/** What `ctl connections` prints. */
export function connectionsText({ total, connections }: ConnectionList): string {
  if (total === 0) return 'no client is connected\n';
  const rows = connections.map((entry): Cell[] => [
    entry.connection,
    entry.service,
    entry.client,
    durationText(entry.ms),
    entry.tls ?? '-',
    entry.backend ?? '-',
    safe(entry.activity),
    sizeText(entry.bytesIn),
    sizeText(entry.bytesOut),
    safe(entry.subject ?? '-'),
  ]);
  const titles = ['NUMBER', 'SERVICE', 'CLIENT', 'OPEN FOR', 'TLS', 'BACKEND', 'DOES', 'RECEIVED', 'SENT', 'SUBJECT'];
  const more = total > connections.length ? [`the oldest ${connections.length} of ${total}`] : [];
  return linesText([...alignTable(titles, rows), ...more]);
}

/** What `ctl blocked` prints. */
export function blockedText({ entries, queue, smc }: BlockedReport): string {
  const titles = ['ADDRESS', 'UNTIL', 'SOURCE', 'FINDINGS', 'RELAY', 'ENGINES', 'FOR'];
  const table = entries.length === 0 ? ['nobody is blocked'] : alignTable(titles, entries.map(blockedRow));
  return linesText([...table, ...(queue === null ? [] : [queueText(queue)]), ...(smc === null ? [] : [smcText(smc)])]);
}

function blockedRow({ ip, until, source, findings, relay, engines, type }: BlockedEntry): Cell[] {
  const added = Object.values(engines).filter((outcome) => outcome === 'added').length;
  const count = Object.keys(engines).length;
  return [
    ...[safe(ip), until === null ? endWithoutTime(source) : `${clockText(until)} UTC`, safe(source)],
    ...[findings, relay, count === 0 ? '-' : `${added} of ${count}`, safe(type === '' ? '-' : type)],
  ];
}

function queueText({ type, depth, oldestSeconds, trouble }: QueueReport): string {
  const waiting = depth === 0 ? 'nothing waits' : `${depth} wait, the oldest for ${durationText(oldestSeconds * 1000)}`;
  return `queue: ${safe(type)}, ${waiting}${trouble === null ? '' : `; findings cannot be kept: ${safe(trouble)}`}`;
}

function smcText({ up, version, lastSuccess, lastError }: SmcReport): string {
  const success = lastSuccess === null ? 'no success yet' : `last success ${clockText(lastSuccess)} UTC`;
  const parts = [
    up ? 'up' : 'not up',
    ...(version === null ? [] : [`API ${version}`]),
    success,
    ...(lastError === null ? [] : [lastError]),
  ];
  return `SMC: ${parts.map(safe).join(', ')}`;
}

function serviceLines(service: ServiceStatus, nowMs: number, paint: Paint): string[] {
  const { name, protocol, connections, icap, backends, handshakeLatency } = service;
  const rows = backends.map((backend) => backendRow(backend, nowMs, paint));
  return [
    `${paint('bold', safe(name))}, ${protocol} ${safe(entranceText(service))}`,
    `  connections: ${connections.active} open, ${connections.accepted} accepted, ${connections.rejected} rejected, ${connections.handshakesFailed} failed handshakes`,
    ...(icap === null
      ? []
      : [
          `  verdicts in the last minute: ${VERDICTS.map((verdict) => `${icap.lastMinute[verdict]} ${verdict}`).join(', ')}`,
          `  verdicts since the start: ${VERDICTS.map((verdict) => `${icap.verdicts[verdict]} ${verdict}`).join(', ')}`,
          `  requests: ${icap.queued} waiting, ${latencyText(icap.latency)}`,
        ]),
    `  handshakes: ${latencyText(handshakeLatency)}`,
    ...indented(alignTable(['BACKEND', 'STATE', 'FOR', 'WEIGHT', 'IN USE', 'IDLE', 'WHY'], rows)),
  ];
}

function backendRow(
  { name, state, since, weight, active, idle, reason }: BackendStatus,
  nowMs: number,
  paint: Paint,
): Cell[] {
  return [safe(name), paintState(state, paint), agoText(since, nowMs), weight, active, idle, safe(reason)];
}

function certificateLines({ certificates }: StatusSnapshot, paint: Paint): string[] {
  if (certificates.length === 0) return [];
  const rows = certificates.map(({ service, kind, subject, days, due }): Cell[] => {
    const left = daysText(days);
    return [safe(service), kind, due ? paint(days < 0 ? 'red' : 'yellow', left) : left, safe(subject)];
  });
  return [paint('bold', 'certificates'), ...indented(alignTable(['SERVICE', 'KIND', 'LEFT', 'SUBJECT'], rows))];
}

function recentLines({ changes, refusals }: StatusSnapshot, paint: Paint): string[] {
  const told = [
    ...changes.slice(0, MOST_CHANGES).map(({ time, text }) => ({ time, text })),
    ...refusals
      .slice(0, MOST_CHANGES)
      .map(({ time, text, count }) => ({ time, text: count === 1 ? text : `${text} (${count} times)` })),
  ].sort((a, b) => (a.time < b.time ? 1 : -1));
  if (told.length === 0) return [];
  return [paint('bold', 'recently'), ...told.map(({ time, text }) => `  ${clockText(time)} UTC  ${safe(text)}`)];
}

function latencyText(latency: Latency | null): string {
  if (latency === null) return 'none in the last minute';
  const { count, p50Ms, p95Ms, p99Ms } = latency;
  return `${count} in the last minute: half within ${p50Ms} ms, 95 % within ${p95Ms} ms, 99 % within ${p99Ms} ms`;
}

function paintState(state: string, paint: Paint): string {
  return paint(STATE_COLORS[state] ?? 'reset', state);
}

/** What clients and backends say must not steer a terminal. */
function safe(text: string): string {
  return printable(text);
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function linesText(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
