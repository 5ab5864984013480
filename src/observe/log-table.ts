import type { LogLevel } from '../config/config.ts';
import { ADMIN_EVENTS } from './admin-log-table.ts';
import type { EventDefinition } from './event-definition.ts';
import { FEED_EVENTS } from './feed-log-table.ts';
import { ICAP_EVENTS } from './icap-log-table.ts';
import type { LogEventName, LogEvents } from './log-event.ts';
import { PROCESS_EVENTS } from './process-log-table.ts';
import { HANDSHAKE_FAILURE_TEXTS, REJECTION_TEXTS } from './reason-text.ts';
import { SINK_EVENTS } from './sink-log-table.ts';
import { SMC_EVENTS } from './smc-log-table.ts';
import { TRACE_EVENTS } from './trace-log-table.ts';

type EventTable = { readonly [E in LogEventName]: EventDefinition<LogEvents[E]> };

const EVENTS: EventTable = {
  'connection-accepted': {
    level: 'debug',
    text: ({ client }) => `connection from ${client} accepted`,
    told: ['client'],
  },
  'server-name-unknown': {
    level: 'info',
    text: ({ client, serverName }) => `no service is named ${serverName}, which ${client} asks for`,
    told: ['client', 'serverName'],
    limited: true,
  },
  'connection-rejected': {
    level: 'warning',
    // What the operator's lists do is as asked for; a limit that is reached wants attention.
    levelOf: ({ reason }) => (reason === 'denied' || reason === 'blocked' ? 'notice' : 'warning'),
    text: ({ client, reason }) => `connection from ${client} rejected: ${REJECTION_TEXTS[reason]}`,
    told: ['client'],
    limited: true,
  },
  'handshake-done': {
    level: 'debug',
    text: ({ client, version, cipher, resumed }) =>
      `${resumed ? 'resumed ' : ''}TLS session with ${client} (${version}, ${cipher})`,
    told: ['client', 'version', 'cipher', 'resumed'],
  },
  'handshake-failed': {
    level: 'warning',
    // Load balancers and scanners connect and leave without a word, every few seconds.
    levelOf: ({ reason }) => (reason === 'closed' || reason === 'reset' ? 'info' : 'warning'),
    text: ({ client, reason }) => `TLS handshake with ${client} failed: ${HANDSHAKE_FAILURE_TEXTS[reason]}`,
    told: ['client'],
    limited: true,
  },
  'connection-redirected': {
    level: 'notice',
    text: ({ client, reason }) => `connection from ${client} redirected: ${HANDSHAKE_FAILURE_TEXTS[reason]}`,
    told: ['client'],
    limited: true,
  },
  'backend-connected': {
    level: 'debug',
    text: ({ backend, address, version, cipher, resumed }) => {
      const tls =
        version === undefined ? '' : `, ${resumed === true ? 'resumed ' : ''}TLS session (${version}, ${cipher})`;
      return `connected to backend ${backend} at ${address}${tls}`;
    },
    told: ['backend', 'address', 'version', 'cipher', 'resumed'],
  },
  'backend-failed': {
    level: 'warning',
    text: ({ backend, address, detail, next }) =>
      `backend ${backend} at ${address} cannot be connected: ${detail}${next ? '; trying the next' : ''}`,
    told: ['backend', 'address', 'detail', 'next', 'tlsDetail'],
    limited: true,
  },
  'backend-tls-broken': {
    level: 'warning',
    text: ({ backend, address, detail }) => `backend ${backend} at ${address} broke off TLS: ${detail}`,
    told: ['backend', 'address', 'detail'],
    limited: true,
  },
  'no-backend': {
    level: 'error',
    text: ({ client, service }) => `connection from ${client} cut: no backend of service ${service} could be connected`,
    told: ['client', 'service'],
    limited: true,
  },
  'connection-closed': {
    level: 'info',
    text: ({ client, reason, bytesIn, bytesOut, ms }) =>
      `connection from ${client} closed (${reason}) after ${ms} ms, ${bytesIn} bytes in, ${bytesOut} bytes out`,
    told: ['client', 'reason', 'bytesIn', 'bytesOut', 'ms', 'side'],
  },
  ...ICAP_EVENTS,
  ...ADMIN_EVENTS,
  starting: {
    level: 'notice',
    text: ({ version, node, openssl }) => `icapgw ${version} starting on Node.js ${node} with OpenSSL ${openssl}`,
    told: ['version', 'node', 'openssl'],
  },
  'config-loaded': {
    level: 'notice',
    text: ({ file, format }) => `configuration loaded from ${file} (${format})`,
    told: ['file', 'format'],
  },
  'config-reading': { level: 'debug', text: ({ file }) => `reading the configuration from ${file}`, told: ['file'] },
  'config-accepted': { level: 'debug', text: ({ file }) => `${file} can be taken over`, told: ['file'] },
  'config-problem': {
    level: 'error',
    levelOf: ({ severity }) => severity,
    text: ({ file, line, text, code }) => `${line > 0 ? `${file}:${line}` : file}: ${text} [${code}]`,
    told: ['file', 'line', 'severity', 'text', 'code', 'written'],
  },
  listening: { level: 'notice', text: ({ address }) => `listening on ${address}`, told: ['address'] },
  'listen-skipped': {
    level: 'error',
    text: ({ service, detail }) => `service ${service} goes on without one of its addresses: ${detail}`,
    told: ['service', 'detail'],
  },
  'plain-service': {
    level: 'notice',
    text: ({ service }) => `service ${service} has tls: off; its clients are neither encrypted nor verified`,
    told: ['service'],
  },
  'access-format-ignored': {
    level: 'notice',
    text: ({ service }) =>
      `log.access-format squid describes ICAP transactions; the connections of tunnel service ${service} are logged as JSON`,
    told: ['service'],
  },
  ready: {
    level: 'notice',
    text: ({ services, workers, ms }) => `ready after ${ms} ms: services ${services}, workers ${workers}`,
    told: ['services', 'workers', 'ms'],
  },
  'backend-state': {
    level: 'warning',
    levelOf: ({ to }) => (to === 'down' || to === 'ejected' ? 'warning' : 'notice'),
    text: ({ backend, from, to, reason }) => `backend ${backend} is ${to}, was ${from}: ${reason}`,
    told: ['backend', 'from', 'to', 'reason'],
  },
  'backend-addresses': {
    level: 'info',
    text: ({ backend, addresses }) => `backend ${backend} resolved to ${addresses.join(', ')}`,
    told: ['backend', 'addresses'],
  },
  'resolve-failed': {
    level: 'warning',
    text: ({ backend, detail }) => `the name of backend ${backend} cannot be resolved: ${detail}`,
    told: ['backend', 'detail'],
  },
  'resolve-recovered': {
    level: 'notice',
    text: ({ backend }) => `the name of backend ${backend} resolves again`,
    told: ['backend'],
  },
  'file-limit-low': {
    level: 'warning',
    text: ({ limit, needed }) =>
      `only ${limit} files may be open, and limits.connections need ${needed}: raise LimitNOFILE (ulimit -n), or lower the limits`,
    told: ['limit', 'needed'],
  },
  'accept-failed': {
    level: 'error',
    text: ({ address, detail }) =>
      address.startsWith('exec:')
        ? `${address} could not be started: ${detail}`
        : `a connection at ${address} could not be accepted: ${detail} (raise the limit of open files)`,
    told: ['address', 'detail'],
  },
  'certificate-expiring': {
    level: 'warning',
    text: ({ kind, subject, days }) => `${KIND_TEXTS[kind]} ${subject} expires in ${days} days`,
    told: ['kind', 'subject', 'days'],
  },
  'certificate-expired': {
    level: 'error',
    text: ({ kind, subject, days }) => `${KIND_TEXTS[kind]} ${subject} expired ${days} days ago`,
    told: ['kind', 'subject', 'days'],
  },
  'active-connections': {
    level: 'notice',
    text: ({ total }) => `${total} connections are open`,
    told: ['total', 'listed'],
    always: true,
  },
  statistics: {
    level: 'notice',
    text: ({ service, active, accepted, bytesIn, bytesOut }) =>
      `service ${service}: ${active} of ${accepted} connections open, ${bytesIn} bytes in, ${bytesOut} bytes out`,
    told: ['service', 'active', 'accepted', 'bytesIn', 'bytesOut', 'side'],
    always: true,
  },
  unready: {
    level: 'notice',
    text: ({ delayMs }) => `not ready any more, so that balancers look elsewhere; still accepting for ${delayMs} ms`,
    told: ['delayMs'],
  },
  draining: {
    level: 'notice',
    text: ({ connections, deadlineMs }) =>
      `draining: no connections are accepted any more, ${connections} may finish within ${deadlineMs} ms`,
    told: ['connections', 'deadlineMs'],
  },
  drained: {
    level: 'notice',
    text: ({ cut, services = [] }) =>
      cut === 0
        ? 'drained: every connection finished'
        : `drained: ${cut} connections were cut (${services.join(', ')})`,
    told: ['cut', 'services'],
  },
  crashed: {
    level: 'error',
    text: ({ detail }) => `this program has a mistake, and ends with it: ${detail}`,
    told: ['detail'],
  },
  terminated: { level: 'notice', text: ({ signal }) => `terminated by ${signal}`, told: ['signal'] },
  'notify-failed': {
    level: 'warning',
    text: ({ detail }) =>
      `the service manager cannot be told how the gateway is: ${detail} (is systemd-notify there, and NotifyAccess=all set?)`,
    told: ['detail'],
  },
  'workers-silent': {
    level: 'error',
    text: ({ ms }) =>
      `a worker has not answered for ${ms} ms: the watchdog is not fed, and the service manager will restart the gateway`,
    told: ['ms'],
  },
  'certificates-read': {
    level: 'notice',
    text: () => 'certificates, keys and lists read again: they changed',
    told: [],
  },
  'certificates-failed': {
    level: 'error',
    text: ({ detail }) =>
      `changed certificates, keys or lists cannot be used, those read before stay in force: ${detail}`,
    told: ['detail'],
  },
  reloaded: {
    level: 'notice',
    text: ({ file, services, ms }) => `configuration reloaded from ${file} in ${ms} ms: services ${services}`,
    told: ['file', 'services', 'ms'],
  },
  'reload-failed': {
    level: 'error',
    text: ({ file, detail }) => `${file} not reloaded: ${detail}`,
    told: ['file', 'detail', 'usable'],
  },
  'restart-needed': {
    level: 'warning',
    text: ({ keys }) => `takes effect with the next start only: ${keys.join(', ')}`,
    told: ['keys'],
  },
  ...SINK_EVENTS,
  ...FEED_EVENTS,
  ...SMC_EVENTS,
  ...TRACE_EVENTS,
  ...PROCESS_EVENTS,
};

const KIND_TEXTS = {
  server: 'the server certificate',
  'client-ca': 'the client CA certificate',
  'backend-client': 'the certificate for backends',
  'backend-ca': 'the backend CA certificate',
  crl: 'the revocation list of',
} as const;

/** Every event there is. */
export const LOG_EVENT_NAMES: readonly LogEventName[] = Object.keys(EVENTS) as LogEventName[];

export function definitionOf<E extends LogEventName>(event: E): EventDefinition<LogEvents[E]> {
  return EVENTS[event];
}

/** The level of one occurrence of an event. */
export function levelOf<E extends LogEventName>(event: E, fields: LogEvents[E]): LogLevel {
  const definition = definitionOf(event);
  return definition.levelOf?.(fields) ?? definition.level;
}
