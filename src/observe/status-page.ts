import type { BlockedReport } from './blocked-report.ts';
import type { ConnectionList } from './connection-entry.ts';
import { type Html, html } from './html.ts';
import type { StatusSnapshot } from './status.ts';
import { renderBlocked } from './status-blocked.ts';
import {
  renderCertificates,
  renderChanges,
  renderConnections,
  renderRefusals,
  renderService,
} from './status-section.ts';
import { agoText, clockText } from './status-time.ts';

/** What the page may load: its own style and script, by their files. Nothing inline, nothing from elsewhere. */
export const STATUS_PAGE_CSP: string = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * The status as a page that is whole without its script. The script fetches it again and again and replaces the parts
 * that differ: each has an id. `connections` is undefined when the workers did not tell.
 */
export function renderStatusPage(
  status: StatusSnapshot,
  connections: ConnectionList | undefined,
  blocked: BlockedReport,
): string {
  return `<!doctype html>\n${renderDocument(status, connections, blocked).text}\n`;
}

function renderDocument(status: StatusSnapshot, connections: ConnectionList | undefined, blocked: BlockedReport): Html {
  return html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${titleOf(status)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="status.css">
<script src="status.js" defer></script>
</head>
<body>
<a class="skip" href="#services">Skip to the services</a>
<header>
<h1>icapgw</h1>
${renderFacts(status)}
<p id="live" role="status">Without JavaScript: reload the page for newer numbers.</p>
<nav aria-label="Sections"><ul>
<li><a href="#services">Services</a></li>
<li><a href="#certificates">Certificates</a></li>
<li><a href="#connections">Connections</a></li>
<li><a href="#blocked">Blocked</a></li>
<li><a href="#refusals">Refusals</a></li>
<li><a href="#changes">Changes</a></li>
<li><a href="metrics">Metrics</a></li>
<li><a href="api/v1/status">JSON</a></li>
</ul></nav>
</header>
<main>
<div id="services" tabindex="-1">
${status.services.map((service, index) => renderService(service, index, Date.parse(status.time)))}
</div>
${renderCertificates(status)}
${renderConnections(connections)}
${renderBlocked(blocked, status)}
${renderRefusals(status)}
${renderChanges(status)}
</main>
</body>
</html>`;
}

/** What a browser's tab shows: the worst first. */
function titleOf({ state, services }: StatusSnapshot): string {
  const down = services.filter(({ backends }) => backends.every((backend) => backend.state !== 'up'));
  if (down.length > 0) return `no backend for ${down.map(({ name }) => name).join(', ')} - icapgw`;
  return `${state} - icapgw`;
}

function renderFacts({ state, version, time, startedAt, workers, blocked }: StatusSnapshot): Html {
  const addresses = blocked === 1 ? 'address' : 'addresses';
  return html`<p id="facts"><strong class="state ${state}">${state}</strong>
version ${version}, ${workers} ${workers === 1 ? 'worker' : 'workers'}, running for ${agoText(startedAt, Date.parse(time))},
${blocked === 0 ? 'nobody is blocked' : `${blocked} ${addresses} blocked`}; <time datetime="${time}">${clockText(time)} UTC</time></p>`;
}
