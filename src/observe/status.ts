import type { Protocol } from '../config/config.ts';
import type { BackendStateLabel, VerdictLabel } from './labels.ts';

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
}

export interface ServiceStatus {
  readonly name: string;
  readonly protocol: Protocol;
  /** The addresses really bound. */
  readonly listen: readonly string[];
  readonly connections: {
    readonly active: number;
    readonly accepted: number;
    readonly rejected: number;
    readonly handshakesFailed: number;
  };
  readonly bytes: { readonly received: number; readonly sent: number };
  /** Null for a tunnel. */
  readonly icap: IcapStatus | null;
  readonly backends: readonly BackendStatus[];
}

/** What `/api/v1/status` answers, as it stands. */
export interface StatusSnapshot {
  readonly version: string;
  /** ISO time. */
  readonly startedAt: string;
  readonly state: GatewayState;
  readonly workers: number;
  readonly services: readonly ServiceStatus[];
}

export interface Readiness {
  readonly state: GatewayState;
  /** Names of services without a usable backend. */
  readonly servicesDown: readonly string[];
}

/** Where the admin endpoint takes what it shows. */
export interface AdminSources {
  status(): StatusSnapshot;
  readiness(): Readiness;
  metricsText(): Promise<string>;
}
