import { createHash } from 'node:crypto';
import type { BackendStatus, IcapStatus, ServiceStatus, StatusSnapshot } from './status.ts';

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; color-scheme: light dark }
table { border-collapse: collapse; margin-bottom: 2em } th, td { text-align: left; padding: .2em 1.5em .2em 0 }
.up { color: #1a7f37 } .down, .ejected { color: #cf222e } .drain, .maint { color: #9a6700 }
`;

/** Allows the one style of the page and nothing else. */
export const STATUS_PAGE_CSP: string = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The status as a page without scripts or anything to load. */
export function renderStatusPage(status: StatusSnapshot): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>icapgw: ${escapeHtml(status.state)}</title><style>${STYLE}</style></head>
<body><h1>icapgw ${escapeHtml(status.version)}</h1>
<p>${escapeHtml(status.state)}, started ${escapeHtml(status.startedAt)}, ${status.workers} workers.
<a href="/metrics">/metrics</a> <a href="/livez">/livez</a> <a href="/readyz">/readyz</a> <a href="/api/v1/status">/api/v1/status</a></p>
${status.services.map(renderService).join('\n')}
</body></html>
`;
}

function renderService({ name, protocol, listen, connections, icap, backends }: ServiceStatus): string {
  return `<h2>${escapeHtml(name)}</h2>
<p>${protocol} on ${escapeHtml(listen.join(', '))}: ${connections.active} connections open, ${connections.accepted} accepted,
${connections.rejected} rejected, ${connections.handshakesFailed} failed handshakes.</p>${icap === null ? '' : renderIcap(icap)}
<table><tr><th>backend</th><th>address</th><th>state</th><th>since</th><th>in use</th><th>idle</th><th>limit</th><th>reason</th></tr>
${backends.map(renderBackend).join('\n')}
</table>`;
}

function renderIcap({ queued, verdicts }: IcapStatus): string {
  const counts = Object.entries(verdicts).map(([verdict, count]) => `${count} ${escapeHtml(verdict)}`);
  return `\n<p>Requests: ${counts.join(', ')}; ${queued} waiting for a backend.</p>`;
}

function renderBackend({ name, address, state, reason, since, active, idle, limit }: BackendStatus): string {
  const cells = [name, address].map((text) => `<td>${escapeHtml(text)}</td>`).join('');
  const counts = [active, idle, limit ?? 'none'].map(String);
  const rest = [since, ...counts, reason].map((text) => `<td>${escapeHtml(text)}</td>`).join('');
  return `<tr>${cells}<td class="${state}">${state}</td>${rest}</tr>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
