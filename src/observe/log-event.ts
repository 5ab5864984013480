import type { AdminLogEvents } from './admin-log-event.ts';
import type { FeedLogEvents } from './feed-log-event.ts';
import type { IcapLogEvents } from './icap-log-event.ts';
import type {
  BackendResult,
  BackendStateLabel,
  CertificateKind,
  CloseReason,
  HandshakeFailure,
  HandshakeVersion,
  RejectReason,
} from './labels.ts';
import type { ProcessLogEvents } from './process-log-event.ts';
import type { SinkLogEvents } from './sink-log-event.ts';
import type { SmcLogEvents } from './smc-log-event.ts';
import type { TraceLogEvents } from './trace-log-event.ts';

export type LogValue = string | number | boolean | readonly string[] | undefined;

/** What the two sides of a finished handshake agreed on. */
export interface HandshakeFacts {
  readonly version: HandshakeVersion;
  readonly cipher: string;
  readonly resumed: boolean;
}

/**
 * Every event that can be logged, with its fields. Clients, backends and local ends are `host:port`; subjects are
 * distinguished names as in the certificate, `O=Test, CN=client1`. No field may be called time, level, event or msg.
 */
export interface LogEvents
  extends IcapLogEvents,
    AdminLogEvents,
    FeedLogEvents,
    SinkLogEvents,
    SmcLogEvents,
    TraceLogEvents,
    ProcessLogEvents {
  readonly 'connection-accepted': {
    readonly service: string;
    readonly connection: number;
    readonly client: string;
    /** The service that listens, where several share its listeners by the names that clients ask for. */
    readonly primary?: string;
    /** What the client asked for there. */
    readonly serverName?: string | undefined;
  };
  /** The client asked for a server that no service is; the one that listens goes on with it. */
  readonly 'server-name-unknown': {
    readonly service: string;
    readonly connection: number;
    readonly client: string;
    readonly serverName: string;
  };
  readonly 'connection-rejected': {
    readonly service: string;
    readonly client: string;
    readonly reason: RejectReason;
    /** What the reason does not say. */
    readonly detail?: string | undefined;
  };
  readonly 'handshake-done': {
    readonly service: string;
    readonly connection: number;
    readonly client: string;
    readonly version: HandshakeVersion;
    readonly cipher: string;
    readonly resumed: boolean;
    readonly subject?: string | undefined;
    readonly fingerprint?: string | undefined;
  };
  /** The connection ends with it: no `connection-closed` follows. */
  readonly 'handshake-failed': {
    readonly service: string;
    readonly connection: number;
    readonly client: string;
    readonly reason: HandshakeFailure;
    readonly detail: string;
    readonly subject?: string | undefined;
    readonly fingerprint?: string | undefined;
  };
  /** The client fails verification and goes on with the service for such clients, under the same number. */
  readonly 'connection-redirected': HandshakeFacts & {
    readonly service: string;
    readonly connection: number;
    readonly client: string;
    readonly reason: HandshakeFailure;
    readonly detail: string;
    readonly subject?: string | undefined;
    readonly fingerprint?: string | undefined;
  };
  readonly 'backend-connected': {
    readonly service: string;
    readonly connection: number;
    readonly backend: string;
    readonly address: string;
    readonly local: string;
    /** Of TLS with the backend, where there is TLS. */
    readonly version?: string | undefined;
    readonly cipher?: string | undefined;
    readonly resumed?: boolean | undefined;
    /** Of its certificate, where that was shown and verified. */
    readonly subject?: string | undefined;
    /** The name it was sent. */
    readonly serverName?: string | undefined;
  };
  readonly 'backend-failed': {
    readonly service: string;
    readonly connection: number;
    readonly backend: string;
    readonly address: string;
    readonly reason: Exclude<BackendResult, 'connected'>;
    readonly detail: string;
    /** Whether another backend is tried. */
    readonly next: boolean;
    /** What was wrong with TLS, where that was it. */
    readonly tls?: HandshakeFailure | undefined;
    /** The same in the words of OpenSSL. */
    readonly tlsDetail?: string | undefined;
    /** Of the certificate that was shown. */
    readonly subject?: string | undefined;
  };
  /** TLS with a backend broke after its handshake: a backend that asks for a certificate may say only then that ours will not do. */
  readonly 'backend-tls-broken': {
    readonly service: string;
    readonly connection: number;
    readonly backend: string;
    readonly address: string;
    readonly detail: string;
  };
  /** Followed by `connection-closed`. */
  readonly 'no-backend': {
    readonly service: string;
    readonly connection: number;
    readonly client: string;
    /** What was wrong with TLS to the last one that was tried. */
    readonly tls?: HandshakeFailure | undefined;
  };
  readonly 'connection-closed': {
    readonly service: string;
    readonly connection: number;
    readonly client: string;
    readonly backend: string | undefined;
    readonly reason: CloseReason;
    /** From the client. */
    readonly bytesIn: number;
    /** To the client. */
    readonly bytesOut: number;
    readonly ms: number;
    /** `backend` where clients speak in clear and backends TLS. */
    readonly side?: 'backend' | undefined;
    /** How TLS with the backend failed, before or after its handshake. */
    readonly tls?: HandshakeFailure | undefined;
  };
  readonly starting: { readonly version: string; readonly node: string; readonly openssl: string };
  readonly 'config-loaded': { readonly file: string; readonly format: 'yaml' | 'stunnel' };
  /** Before another configuration is read, and when it was found fit to be taken over. */
  readonly 'config-reading': { readonly file: string };
  readonly 'config-accepted': { readonly file: string };
  readonly 'config-problem': {
    readonly file: string;
    readonly line: number;
    readonly severity: 'error' | 'warning';
    readonly code: string;
    readonly text: string;
    /** The line as it stands in the file. */
    readonly written?: string | undefined;
  };
  /** `address` is the one really bound, also where the configuration says port 0. */
  readonly listening: { readonly service: string; readonly address: string };
  /** The service goes on without this one of its addresses; `code` is the system's, such as EADDRINUSE. */
  readonly 'listen-skipped': {
    readonly service: string;
    readonly address: string;
    readonly code: string;
    readonly detail: string;
  };
  /** A connection could not be accepted: no file descriptor was left, as a rule. */
  readonly 'accept-failed': { readonly service: string; readonly address: string; readonly detail: string };
  /** Fewer files may be open than the configured connections need. */
  readonly 'file-limit-low': { readonly limit: number; readonly needed: number };
  readonly 'plain-service': { readonly service: string };
  readonly 'access-format-ignored': { readonly service: string };
  readonly ready: { readonly services: number; readonly workers: number; readonly ms: number };
  readonly 'backend-state': {
    readonly service: string;
    readonly backend: string;
    readonly address: string;
    readonly from: BackendStateLabel;
    readonly to: BackendStateLabel;
    readonly reason: string;
  };
  readonly 'backend-addresses': {
    readonly service: string;
    readonly backend: string;
    readonly addresses: readonly string[];
  };
  readonly 'resolve-failed': { readonly service: string; readonly backend: string; readonly detail: string };
  readonly 'resolve-recovered': { readonly service: string; readonly backend: string };
  readonly 'certificate-expiring': {
    readonly service: string;
    readonly kind: CertificateKind;
    readonly subject: string;
    /** Whole days left. */
    readonly days: number;
  };
  readonly 'certificate-expired': {
    readonly service: string;
    readonly kind: CertificateKind;
    readonly subject: string;
    /** Whole days since. */
    readonly days: number;
  };
  /** Asked for by a signal. `listed` may be less than all of them. */
  readonly 'active-connections': { readonly total: number; readonly listed: readonly string[] };
  readonly statistics: {
    readonly service: string;
    readonly active: number;
    readonly accepted: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
    /** `backend` where clients speak in clear and backends TLS. */
    readonly side?: 'backend' | undefined;
  };
  /** Clients are still accepted, so that balancers in front notice first. */
  readonly unready: { readonly delayMs: number };
  readonly draining: { readonly connections: number; readonly deadlineMs: number };
  readonly drained: {
    readonly cut: number;
    /** Where that was: `mcas 3`. */
    readonly services?: readonly string[];
  };
  /** A mistake in this program, which ends with it. */
  readonly crashed: { readonly detail: string };
  readonly terminated: { readonly signal: string };
  /** Said once, of the first message to the service manager that did not arrive. */
  readonly 'notify-failed': { readonly detail: string };
  /** A worker is silent: the watchdog is not fed until it answers. */
  readonly 'workers-silent': { readonly ms: number };
  /** Of its clients' side, or of one backend. */
  readonly 'certificates-read': { readonly service: string; readonly backend?: string };
  /** What was read before stays in force. */
  readonly 'certificates-failed': { readonly service: string; readonly backend?: string; readonly detail: string };
  /** Another configuration is in force. */
  readonly reloaded: { readonly file: string; readonly services: number; readonly ms: number };
  /** The configuration before stays in force. */
  readonly 'reload-failed': {
    readonly file: string;
    readonly detail: string;
    /** Whether the file itself is in order. */
    readonly usable: boolean;
  };
  /** What the new configuration says there takes effect with the next start only. */
  readonly 'restart-needed': { readonly keys: readonly string[] };
}

export type LogEventName = keyof LogEvents;

/** One event on its way to the log. Plain data: workers send it to the main thread. */
export interface LogRecord<E extends LogEventName = LogEventName> {
  readonly event: E;
  readonly timeMs: number;
  readonly fields: LogEvents[E];
}
