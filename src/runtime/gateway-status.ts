import { formatAddress } from '../config/address.ts';
import type { Address, Config, ServiceConfig } from '../config/config.ts';
import type { MemberStatus } from '../health/checker.ts';
import type { CounterTotals } from '../observe/counter-totals.ts';
import { CONTENT_METHODS, HANDSHAKE_FAILURES, REJECT_REASONS, type VerdictLabel } from '../observe/labels.ts';
import type { RecentEvents } from '../observe/recent-events.ts';
import type {
  BackendStatus,
  BehindStatus,
  CertificateStatus,
  GatewayState,
  IcapStatus,
  Readiness,
  ServiceStatus,
  StatusSnapshot,
} from '../observe/status.ts';
import { expiriesOf } from './expiry-report.ts';
import type { LoadedService } from './material.ts';
import type { Pool } from './pool.ts';
import type { RecentWork, StatusHistory } from './status-history.ts';

/** A gateway as it is at one moment. */
export interface RunningGateway {
  readonly version: string;
  readonly startedAtMs: number;
  readonly state: GatewayState;
  readonly config: Config;
  /** One for each service. */
  readonly addresses: readonly (readonly Address[])[];
  readonly pools: readonly Pool[];
  readonly totals: CounterTotals;
  /** One for each service, as it is in force. */
  readonly material: readonly LoadedService[];
}

type ReadinessSources = Pick<RunningGateway, 'state' | 'config' | 'pools'> &
  Pick<Readiness, 'isListening' | 'feedTrouble'>;

/** What the status is made of. */
export interface StatusSources extends RunningGateway {
  readonly history: StatusHistory;
  readonly recent: RecentEvents;
  readonly blockedCount: number;
}

/** What `/api/v1/status` answers. */
export function snapshotStatus(sources: StatusSources): StatusSnapshot {
  const { version, startedAtMs, state, config, blockedCount, recent } = sources;
  return {
    version,
    time: new Date().toISOString(),
    startedAt: new Date(startedAtMs).toISOString(),
    state,
    workers: config.workers,
    services: config.services.map((_, index) => serviceStatus(sources, index)),
    certificates: certificateStatuses(sources),
    blocked: blockedCount,
    refusals: recent.refusals,
    changes: recent.changes,
  };
}

/** Which services have nobody to send clients to. */
export function readiness({ state, isListening, feedTrouble, config, pools }: ReadinessSources): Readiness {
  const isDown = (index: number): boolean => !pools[index]?.status().some((member) => member.state === 'up');
  // Where clients go that are not trusted is nothing to be ready for.
  const down = config.services.filter(({ redirectOf }, index) => redirectOf === undefined && isDown(index));
  // The feed alone has no services to wait for; beside them, one that cannot keep findings turns no clients away.
  const isFeedAlone = config.services.length === 0;
  return {
    state,
    isListening: isListening || isFeedAlone,
    feedTrouble: isFeedAlone ? feedTrouble : undefined,
    servicesDown: down.map(({ name }) => name),
  };
}

function certificateStatuses({ config, material }: StatusSources): CertificateStatus[] {
  const nowMs = Date.now();
  return config.services
    .flatMap(({ name: service }, index) =>
      expiriesOf(material[index], nowMs).map(({ kind, subject, notAfterMs, days, isDue }) => ({
        ...{ service, kind, subject, days },
        expires: new Date(notAfterMs).toISOString(),
        due: isDue,
      })),
    )
    .sort((a, b) => a.days - b.days);
}

function serviceStatus(
  { config, addresses, pools, totals, startedAtMs, history }: StatusSources,
  index: number,
): ServiceStatus {
  const work = history.of(index);
  const service = config.services[index];
  const pool = pools[index];
  if (service === undefined || pool === undefined) throw new RangeError(`no service ${index}`);
  return {
    name: service.name,
    protocol: service.protocol,
    listen: (addresses[index] ?? service.listen).map(formatAddress),
    behind: behindStatus(service),
    connections: {
      active: pool.state.connections(),
      accepted: totals.accepted(index),
      rejected: sum(REJECT_REASONS, (reason) => totals.rejected(index, reason)),
      handshakesFailed: sum(HANDSHAKE_FAILURES, (reason) => totals.handshakeFailures(index, reason)),
    },
    handshakeLatency: work.handshakes,
    bytes: { received: totals.bytes(index, 'received'), sent: totals.bytes(index, 'sent') },
    icap: service.protocol === 'icap' ? icapStatus(pool, totals, index, work) : null,
    backends: service.backends.map(({ name, addressText }) => backendStatus(pool, name, addressText, startedAtMs)),
  };
}

function behindStatus({ sni, redirectOf }: ServiceConfig): BehindStatus | null {
  if (sni !== undefined) return { service: sni.of, names: sni.names };
  return redirectOf === undefined ? null : { service: redirectOf, names: [] };
}

function icapStatus(pool: Pool, totals: CounterTotals, index: number, work: RecentWork): IcapStatus {
  const count = (verdict: VerdictLabel): number =>
    sum(CONTENT_METHODS, (method) => totals.icapVerdicts(index, method, verdict));
  return {
    queued: pool.state.queued(),
    verdicts: {
      allowed: count('allowed'),
      modified: count('modified'),
      blocked: count('blocked'),
      bypassed: count('bypassed'),
      error: count('error'),
      aborted: count('aborted'),
    },
    lastMinute: work.verdicts,
    latency: work.requests,
  };
}

/**
 * A backend with several addresses is told by the one that decides its state. One without any has a name that has not
 * resolved since the start: addresses once found stay.
 */
function backendStatus(pool: Pool, name: string, address: string, startedAtMs: number): BackendStatus {
  const state = pool.stateOf(name);
  const member = pool.status().find((each) => each.backend === name && each.state === state);
  return {
    name,
    address,
    state,
    reason: member === undefined ? 'its name does not resolve' : reasonOf(member),
    since: new Date(member?.sinceMs ?? startedAtMs).toISOString(),
    weight: member?.weight ?? 0,
    active: pool.activeOf(name),
    idle: pool.idleOf(name),
    limit: pool.limitOf(name) ?? null,
  };
}

function reasonOf({ lastProbe, state, reason }: MemberStatus): string {
  // What was done to it says more than a probe that has passed all the while.
  if (reason !== undefined && state !== 'up' && state !== 'down') return reason;
  if (lastProbe === undefined) return 'not checked yet';
  return lastProbe.ok ? 'the last check succeeded' : lastProbe.detail;
}

function sum<T>(values: readonly T[], numberOf: (value: T) => number): number {
  return values.reduce((total, value) => total + numberOf(value), 0);
}
