import type { LogLevel } from '../config/config.ts';
import type { BackendResult, CloseReason } from './labels.ts';
import type { HandshakeFacts, LogEventName, LogEvents } from './log-event.ts';
import { definitionOf, levelOf } from './log-table.ts';
import { REJECTION_TEXTS } from './reason-text.ts';
import { stunnelBanner } from './stunnel-banner.ts';
import { besideLine, byteCounts, countsOf, line, type StunnelLevel, type StunnelLine } from './stunnel-line.ts';
import { backendTlsLines, handshakeLines, verificationLines } from './stunnel-tls-lines.ts';

interface StunnelDefinition<F> {
  /** The most severe level among its lines. */
  readonly level: StunnelLevel;
  readonly lines: (fields: F) => readonly StunnelLine[];
}

export const STUNNEL_LEVELS: Readonly<Record<LogLevel, StunnelLevel>> = {
  error: 3,
  warning: 4,
  notice: 5,
  info: 6,
  debug: 7,
};

/** Events stunnel's users know, in the words they search their logs for. */
const STUNNEL_EVENTS: { readonly [E in LogEventName]?: StunnelDefinition<LogEvents[E]> } = {
  'connection-accepted': {
    level: 5,
    lines: ({ service, client, primary, serverName }) => [
      line(5, `Service [${primary ?? service}] accepted connection from ${client}`),
      ...(primary === undefined ? [] : nameLines(primary, service, serverName)),
    ],
  },
  'server-name-unknown': {
    level: 3,
    lines: ({ serverName }) => [line(3, `SNI: no pattern matched servername: ${serverName}`)],
  },
  'connection-rejected': {
    level: 4,
    lines: ({ service, client, reason }) => [
      reason === 'service-limit'
        ? line(4, `Connection rejected: too many clients (service [${service}], from ${client})`)
        : line(4, `Service [${service}] rejected connection from ${client}: ${REJECTION_TEXTS[reason]}`),
    ],
  },
  'handshake-done': {
    level: 5,
    lines: ({ subject, resumed, version, cipher }) => [
      ...(subject === undefined ? [] : [line(5, `Certificate accepted at depth=0: ${subject}`)]),
      ...acceptedLines({ resumed, version, cipher }),
    ],
  },
  'handshake-failed': {
    level: 3,
    lines: ({ reason, detail, subject }) => [
      ...handshakeLines('SSL_accept', reason, detail, subject),
      line(5, `Connection ${reason === 'timeout' ? 'reset' : 'reset/closed'}: ${byteCounts(0, 0)}`),
    ],
  },
  'connection-redirected': {
    level: 4,
    lines: ({ reason, detail, subject, ...tls }) => [
      ...verificationLines(reason, detail, subject),
      ...acceptedLines(tls),
      line(5, 'Redirecting connection'),
    ],
  },
  'program-started': { level: 6, lines: ({ pid }) => [line(6, `Local mode child started (PID=${pid})`)] },
  'program-ended': {
    level: 6,
    lines: ({ pid, exitCode, signal }) => [
      line(
        6,
        `Child process ${pid} ${signal === undefined ? `finished with code ${exitCode}` : `terminated on ${signal}`}`,
      ),
    ],
  },
  'backend-connected': {
    level: 5,
    lines: (fields) => [
      line(5, `s_connect: connected ${fields.address}`),
      line(5, `Service [${fields.service}] connected remote server from ${fields.local}`),
      ...backendTlsLines(fields),
    ],
  },
  'backend-failed': {
    level: 3,
    lines: ({ address, reason, detail, tls, tlsDetail = detail, subject }) => {
      if (tls !== undefined) {
        return [line(5, `s_connect: connected ${address}`), ...handshakeLines('SSL_connect', tls, tlsDetail, subject)];
      }
      // A program cannot be started for reasons of its own.
      if (address.startsWith('exec:')) return [line(3, `Local mode: ${detail}`)];
      return reason === 'timeout'
        ? [line(3, `s_connect: s_poll_wait ${address}: TIMEOUTconnect exceeded`)]
        : [line(3, `s_connect: connect ${address}: ${CONNECT_ERRORS[reason] ?? detail}`)];
    },
  },
  'backend-tls-broken': { level: 3, lines: ({ detail }) => [line(3, `SSL_read: ${detail}`)] },
  'no-backend': {
    level: 3,
    lines: ({ tls }) => (tls === undefined ? [line(3, 'No more addresses to connect')] : []),
  },
  'connection-closed': {
    level: 5,
    lines: (fields) => [...endLines(fields), line(5, `Connection ${endOf(fields)}: ${countsOf(fields)}`)],
  },
  starting: {
    level: 5,
    lines: (versions) => stunnelBanner(versions).map((text) => line(5, text)),
  },
  'config-loaded': {
    level: 5,
    lines: ({ file }) => [
      line(5, `Reading configuration from ${sourceOf(file)}`),
      line(5, 'FIPS mode disabled'),
      line(5, 'Configuration successful'),
    ],
  },
  'config-reading': {
    level: 5,
    lines: ({ file }) => [line(5, `Reading configuration from ${sourceOf(file)}`), line(5, 'FIPS mode disabled')],
  },
  'config-accepted': { level: 5, lines: () => [line(5, 'Configuration successful')] },
  'config-problem': {
    level: 3,
    lines: ({ file, line: number, severity, text, code, written }) => {
      const place = number === 0 ? file : `${file}:${number}`;
      const said = written === undefined ? text : `"${written}": ${besideLine(text, written)}`;
      return [line(severity === 'error' ? 3 : 4, `${place}: ${said} [${code}]`)];
    },
  },
  'reload-failed': {
    level: 3,
    lines: ({ detail, usable }) => [
      line(3, usable ? detail : 'Configuration failed'),
      line(3, 'Failed to reload the configuration file'),
    ],
  },
  listening: {
    level: 6,
    // The line must end in the port: scripts read it from there.
    lines: ({ service, address }) => [
      address === '-'
        ? line(7, `Service [${service}] started`)
        : address.startsWith('exec:')
          ? line(7, `Starting exec+connect service [${service}]`)
          : line(6, `Service [${service}] bound to ${address}`),
    ],
  },
  'listen-skipped': {
    level: 3,
    lines: ({ service, address, code, detail }) => [
      line(3, `Binding service [${service}] to ${address}: ${BIND_ERRORS[code] ?? detail}`),
    ],
  },
  ready: { level: 6, lines: () => [line(6, 'Accepting new connections')] },
  'active-connections': {
    level: 0,
    lines: ({ total, listed }) => [
      line(0, 'Active connections:'),
      ...listed.map((text, index) => line(0, `Active connection ${index + 1}: ${text}`)),
      line(0, `Listed ${total} active connection(s)`),
    ],
  },
  statistics: {
    level: 0,
    lines: ({ service, active, accepted, ...counts }) => [
      line(0, `Service [${service}]: ${active} active of ${accepted} connection(s), ${countsOf(counts)}`),
    ],
  },
  terminated: {
    level: 3,
    lines: ({ signal }) => [signal === 'SIGTERM' ? line(5, 'Terminated') : line(3, `Received ${signal}; terminating`)],
  },
  'log-reopened': { level: 5, lines: () => [line(5, 'Log file reopened')] },
  'log-open-failed': {
    level: 3,
    lines: ({ file, detail }) => [
      line(3, `Cannot open log file: ${file}: ${detail}; the lines go where they went before`),
    ],
  },
};

function acceptedLines({ resumed, version, cipher }: HandshakeFacts): readonly StunnelLine[] {
  return [
    line(6, `TLS accepted: ${resumed ? 'previous session reused' : 'new session negotiated'}`),
    line(6, `${version} ciphersuite: ${cipher}`),
  ];
}

function sourceOf(file: string): string {
  const descriptor = /^\/dev\/fd\/(\d+)$/.exec(file)?.[1];
  return descriptor === undefined ? `file ${file}` : `descriptor ${descriptor}`;
}

const BIND_ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied (13)',
  EADDRINUSE: 'Address already in use (98)',
  EADDRNOTAVAIL: 'Cannot assign requested address (99)',
};

/** The error texts of the operating system, with Linux's numbers as stunnel prints them. */
const CONNECT_ERRORS: Readonly<Partial<Record<BackendResult, string>>> = {
  refused: 'Connection refused (111)',
  reset: 'Connection reset by peer (104)',
};

const CLOSE_LINES: Readonly<Partial<Record<CloseReason, readonly StunnelLine[]>>> = {
  'idle-timeout': [line(6, 'transfer: s_poll_wait: TIMEOUTidle exceeded: sending reset')],
  // stunnel says this at level 3, on connections where nothing went wrong. Its users asked for less.
  'close-timeout': [line(6, 'transfer: s_poll_wait: TIMEOUTclose exceeded: closing')],
};

type ClosedFields = LogEvents['connection-closed'];

function endLines({ reason, side, tls }: ClosedFields): readonly StunnelLine[] {
  if (reason !== 'client-reset' && reason !== 'backend-reset') return CLOSE_LINES[reason] ?? [];
  // An error of TLS was told by its own line.
  if (tls !== undefined) return [];
  const isTls = (reason === 'backend-reset') === (side === 'backend');
  return [line(6, `${isTls ? 'TLS' : 'socket'} fd: Connection reset by peer (104)`)];
}

/** stunnel names the client's part last where TLS with the backend failed. */
function endOf({ reason, tls }: ClosedFields): string {
  if (tls !== undefined && tls !== 'timeout' && tls !== 'reset') return 'closed/reset';
  return RESET_REASONS.has(reason) ? 'reset' : 'closed';
}

/** After a reset by one side stunnel still closes the other in order, and says so. */
const RESET_REASONS: ReadonlySet<CloseReason> = new Set<CloseReason>([
  'idle-timeout',
  'no-backend',
  'error',
  'policy',
  'request-timeout',
]);

function nameLines(primary: string, service: string, serverName: string | undefined): readonly StunnelLine[] {
  if (serverName === undefined) return [line(5, 'SNI: no servername received')];
  const asked = line(6, `SNI: requested servername: ${serverName}`);
  return primary === service ? [asked] : [asked, line(5, `SNI: switched to service [${service}]`)];
}

/** The most severe level an event can have in stunnel's format. */
export function stunnelLevelOf(event: LogEventName): StunnelLevel {
  return STUNNEL_EVENTS[event]?.level ?? STUNNEL_LEVELS[definitionOf(event).level];
}

/** The lines of one occurrence. What stunnel does not know is told in our words. */
export function stunnelLines<E extends LogEventName>(event: E, fields: LogEvents[E]): readonly StunnelLine[] {
  const known: StunnelDefinition<LogEvents[E]> | undefined = STUNNEL_EVENTS[event];
  return known?.lines(fields) ?? [line(STUNNEL_LEVELS[levelOf(event, fields)], definitionOf(event).text(fields))];
}
