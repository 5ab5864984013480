import type { LogEvents, LogRecord } from '../../src/observe/log-event.ts';

const CLIENT = { service: 'mcas', connection: 7, client: '192.0.2.1:40820' };
const BACKEND = { service: 'mcas', backend: 'dlp-1' };

/** One occurrence of every event. */
export const SAMPLE_EVENTS: LogEvents = {
  'connection-accepted': CLIENT,
  'connection-rejected': { service: 'mcas', client: '192.0.2.1:40820', reason: 'source-limit' },
  'handshake-done': {
    ...CLIENT,
    version: 'TLSv1.3',
    cipher: 'TLS_AES_256_GCM_SHA384',
    resumed: false,
    subject: 'O=Test, CN=client1',
    fingerprint: 'AB:CD',
  },
  'handshake-failed': { ...CLIENT, reason: 'expired', detail: 'certificate has expired', subject: 'CN=old' },
  'backend-connected': {
    ...BACKEND,
    connection: 7,
    address: '10.0.0.5:1344',
    local: '10.0.0.1:33012',
  },
  'backend-failed': {
    ...BACKEND,
    connection: 7,
    address: '10.0.0.5:1344',
    reason: 'refused',
    detail: 'connect ECONNREFUSED 10.0.0.5:1344',
    next: true,
  },
  'no-backend': CLIENT,
  'connection-closed': { ...CLIENT, backend: 'dlp-1', reason: 'client', bytesIn: 5, bytesOut: 10, ms: 12 },
  'icap-request-refused': {
    ...CLIENT,
    status: 400,
    code: 'ICAPGW_ICAP_BAD_HEADER',
    detail: 'a header line is malformed at byte 40',
  },
  'icap-attempt-failed': {
    ...BACKEND,
    connection: 7,
    address: '10.0.0.5:1344',
    method: 'REQMOD',
    path: '/reqmod',
    reason: 'closed',
    detail: 'the backend closed the connection before it answered',
    next: true,
  },
  'icap-policy': {
    ...CLIENT,
    method: 'REQMOD',
    path: '/reqmod',
    policy: 'block',
    cause: 'no backend is up',
  },
  'icap-answer-aborted': { ...BACKEND, connection: 7, address: '10.0.0.5:1344', detail: 'connection reset' },
  'icap-path-ignored': { service: 'mcas', path: '/random' },
  starting: { version: '1.0.0', node: 'v26.10.0', openssl: '3.5.1' },
  'config-loaded': { file: '/etc/icapgw/icapgw.yaml', format: 'yaml' },
  'config-problem': {
    file: '/etc/stunnel/stunnel.conf',
    line: 8,
    severity: 'warning',
    code: 'ICAPGW_CONFIG_INVALID',
    text: 'verify = 0 lets anyone in',
  },
  listening: { service: 'mcas', address: '127.0.0.1:11344' },
  'plain-service': { service: 'mcas' },
  'access-format-ignored': { service: 'mcas' },
  'admin-listening': { address: '127.0.0.1:9344' },
  'admin-unavailable': { address: '127.0.0.1:9344', detail: 'EADDRINUSE' },
  'admin-request-refused': { client: '127.0.0.1', path: '/metrics', reason: 'token' },
  'admin-request-failed': { path: '/metrics', detail: 'broken' },
  ready: { services: 1, workers: 2, ms: 180 },
  'backend-state': { ...BACKEND, address: '10.0.0.5:1344', from: 'up', to: 'down', reason: '3 checks failed: refused' },
  'backend-addresses': { ...BACKEND, addresses: ['10.0.0.5', '10.0.0.6'] },
  'resolve-failed': { ...BACKEND, detail: 'ENOTFOUND' },
  'resolve-recovered': BACKEND,
  'file-limit-low': { limit: 1024, needed: 4100 },
  'accept-failed': { service: 'mcas', address: '127.0.0.1:11344', detail: 'accept EMFILE' },
  'worker-died': { worker: 1, detail: 'out of memory' },
  'worker-started': { worker: 1 },
  'certificate-expiring': { service: 'mcas', kind: 'server', subject: 'CN=gw', days: 12 },
  'certificate-expired': { service: 'mcas', kind: 'crl', subject: 'CN=CA', days: 2 },
  statistics: { service: 'mcas', active: 2, accepted: 9, bytesIn: 5, bytesOut: 10 },
  draining: { connections: 3, deadlineMs: 30_000 },
  drained: { cut: 1 },
  terminated: { signal: 'SIGTERM' },
  'revocation-lists-read': { service: 'mcas' },
  'revocation-lists-failed': { service: 'mcas', detail: 'x' },
  'reload-unavailable': { file: 'icapgw.yaml' },
  'log-reopened': { file: '/var/log/icapgw.log' },
  'log-lines-lost': { count: 3, file: '/var/log/icapgw.log' },
  'access-log-failed': { file: '/var/log/access.log', detail: 'ENOSPC' },
  'lines-suppressed': { count: 30, similar: 'handshake-failed expired' },
};

/** A record of a sample event, with some fields changed. */
export function sampleRecord<E extends keyof LogEvents>(event: E, change: Partial<LogEvents[E]> = {}): LogRecord<E> {
  return { event, timeMs: Date.UTC(2026, 10, 20, 23, 29, 14, 123), fields: { ...SAMPLE_EVENTS[event], ...change } };
}
