import type { Protocol } from '../config/config.ts';
import type { Control } from './control.ts';
import type { BackendStateLabel, CertificateKind, VerdictLabel } from './labels.ts';
import type { Latency } from './quantile.ts';
import type { RecentEvent, RecentRefusal } from './recent-events.ts';

export type GatewayState = 'starting' | 'ready' | 'draining';

export interface BackendStatus {
  readonly name: string;
  /** As configured. */
  readonly address: string;
  readonly state: BackendStateLabel;
  /** Why it is in this state, in words. */
  readonly reason: string;
  /** ISO time of the last change of state. */
  readonly since: string;
  /** Its share among those that are up, as configured or set by an operator; 0: it gets nothing. */
  readonly weight: number;
  /** Connections in use now. */
  readonly active: number;
  /** Connections kept open for the next request; none in tunnel mode. */
  readonly idle: number;
  /** How many connections it may have now, by configuration or by its own word; null: any number. */
  readonly limit: number | null;
}

/** What only an ICAP service has to tell. */
export interface IcapStatus {
  /** Requests that wait for a connection to a backend. */
  readonly queued: number;
  /** Requests with content since the start. */
  readonly verdicts: Readonly<Record<VerdictLabel, number>>;
  /** Requests with content that were finished within the last minute. */
  readonly lastMinute: Readonly<Record<VerdictLabel, number>>;
  /** From the head of a request to the end of its answer, within the last minute; null: there was none. */
  readonly latency: Latency | null;
}

/** How clients get to a service without listeners. */
export interface BehindStatus {
  /** The service that listens for it. */
  readonly service: string;
  /** The server names that lead here; none: it has the clients which that service redirects. */
  readonly names: readonly string[];
}

export interface ServiceStatus {
  readonly name: string;
  readonly protocol: Protocol;
  /** The addresses really bound; none where the service is behind another one. */
  readonly listen: readonly string[];
  /** Null for a service that listens. */
  readonly behind: BehindStatus | null;
  readonly connections: {
    readonly active: number;
    readonly accepted: number;
    readonly rejected: number;
    readonly handshakesFailed: number;
  };
  /** TLS handshakes of the last minute; null: there was none. */
  readonly handshakeLatency: Latency | null;
  readonly bytes: { readonly received: number; readonly sent: number };
  /** Null for a tunnel. */
  readonly icap: IcapStatus | null;
  readonly backends: readonly BackendStatus[];
}

/** Something of a service that expires. */
export interface CertificateStatus {
  readonly service: string;
  readonly kind: CertificateKind;
  readonly subject: string;
  /** ISO time. */
  readonly expires: string;
  /** Whole days left, negative once it is over. */
  readonly days: number;
  /** Whether it is time to renew it. */
  readonly due: boolean;
}

/** What `/api/v1/status` answers, as it stands. */
export interface StatusSnapshot {
  readonly version: string;
  /** ISO time of this answer. */
  readonly time: string;
  /** ISO time. */
  readonly startedAt: string;
  readonly state: GatewayState;
  readonly workers: number;
  readonly services: readonly ServiceStatus[];
  /** The soonest first. */
  readonly certificates: readonly CertificateStatus[];
  /** How many addresses and networks are blocked. */
  readonly blocked: number;
  /** The latest first. */
  readonly refusals: readonly RecentRefusal[];
  /** The latest first. */
  readonly changes: readonly RecentEvent[];
}

export interface Readiness {
  readonly state: GatewayState;
  /** Whether a worker takes connections. */
  readonly isListening: boolean;
  /** Names of services without a usable backend. */
  readonly servicesDown: readonly string[];
  /** Why the feed cannot keep findings, where there is nothing but the feed. */
  readonly feedTrouble?: string | undefined;
}

/** Where the clients of a service come in, in words. */
export function entranceText({ listen, behind }: Pick<ServiceStatus, 'listen' | 'behind'>): string {
  if (behind === null) return `on ${listen.join(', ')}`;
  const { service, names } = behind;
  return names.length === 0 ? `for clients that ${service} redirects` : `behind ${service}, as ${names.join(', ')}`;
}

/** Where the admin endpoint takes what it shows. */
export interface AdminSources {
  status(): StatusSnapshot;
  readiness(): Readiness;
  metricsText(): Promise<string>;
  readonly control: Control;
}
