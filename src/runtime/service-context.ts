import { createPolicy } from '../balance/create-policy.ts';
import { PoolState } from '../balance/pool-state.ts';
import { Selector } from '../balance/selector.ts';
import type { ServiceConfig } from '../config/config.ts';
import type { ClientTls, ServiceContext } from '../gateway/context.ts';
import type { AddressedMember } from '../health/membership.ts';
import { createBackendIdentity } from '../net/backend-identity.ts';
import { WorkerCounters } from '../observe/counters.ts';
import type { EventPort } from '../observe/event-port.ts';
import type { Blockade } from '../policy/blockade.ts';
import { SourceLimits } from '../policy/source-limits.ts';
import { ClientAuth } from '../tls/client-auth.ts';
import { PskKeys } from '../tls/psk.ts';
import { createServerContext } from '../tls/server-context.ts';
import { createServerSessions } from '../tls/server-sessions.ts';
import { allowsResumption, type ServiceMaterial } from '../tls/service-material.ts';
import type { SharedSessions } from '../tls/shared-sessions.ts';
import { configuredTicketSecret, deriveTicketKeys, type TicketSecret } from '../tls/ticket-keys.ts';
import type { FromWorker, GenerationSnapshot, WorkerSnapshot } from './snapshot.ts';

/** What belongs to a worker whatever its configuration is. */
export interface WorkerParts {
  readonly snapshot: WorkerSnapshot;
  readonly events: EventPort;
  readonly blocked: Blockade;
  /** With backends, shared by all workers. */
  readonly sessions: SharedSessions;
  /** With clients that hold no tickets, shared alike. */
  readonly clientSessions: SharedSessions;
  /** Programs may run from then on. */
  readonly awake: Promise<void>;
  readonly tell: (message: FromWorker) => void;
}

/** What the sessions of each service share, by one configuration. */
export function createServiceContexts(
  { generation, services, counterLayout, counterBuffer }: GenerationSnapshot,
  { snapshot, events, blocked, sessions, clientSessions, awake, tell }: WorkerParts,
  tickets: TicketSecret,
): readonly ServiceContext[] {
  const { workerIndex, sourceMemory, connectionIds } = snapshot;
  const ids = new Int32Array(connectionIds);
  return services.map(({ config, material, backendMaterial, blockPage, poolBuffer, members }, index) => {
    const base = { config, worker: workerIndex, pool: new PoolState(poolBuffer) };
    return {
      ...base,
      index,
      selector: createSelector(base, members),
      tls: createClientTls(config, material, tickets, clientSessions),
      trustHash: material?.policyHash,
      identities: config.backends.map((_, backend) => {
        const found = backendMaterial[backend];
        return found === undefined ? undefined : createBackendIdentity(found, sessions);
      }),
      blockPage,
      awake,
      sources: new SourceLimits({ memory: sourceMemory, workerIndex, scope: config.name }),
      blocked,
      counters: new WorkerCounters(counterLayout, counterBuffer, workerIndex),
      events,
      nextConnectionId: () => Atomics.add(ids, 0, 1) >>> 0,
      onFailures: (slot) => tell({ type: 'failures', generation, service: index, slot }),
      learnPath: (path) => tell({ type: 'learn', generation, service: index, path }),
    };
  });
}

/**
 * How a service talks TLS to its clients from now on; undefined where it speaks in clear. `sessions`: where it may keep
 * those of clients without tickets.
 */
export function createClientTls(
  { tls, name }: ServiceConfig,
  material: ServiceMaterial | undefined,
  tickets: TicketSecret,
  sessions?: SharedSessions,
): ClientTls | undefined {
  if (tls === undefined) return undefined;
  // Going on in clear would be the worst way to fail.
  if (material === undefined) throw new TypeError(`service ${name} has TLS and no certificate to serve`);
  const { policyHash, ticketSecret, keyPair, psk } = material;
  const secret = ticketSecret === undefined ? tickets : configuredTicketSecret(ticketSecret.text);
  const keys = deriveTicketKeys(secret, name, policyHash);
  return {
    context: createServerContext({ tls, material, tickets: keys }),
    // The context of the keys is of this service and this policy only, and so are its sessions.
    sessions:
      sessions === undefined || tls.sessionTickets || !tls.sessionIds || !allowsResumption(tls)
        ? undefined
        : createServerSessions(sessions, keys.sessionIdContext),
    psk: psk && new PskKeys(psk, keyPair === undefined),
    auth: new ClientAuth(tls.clientAuth, material.trust),
    trust: material.trust,
  };
}

/** Chooses among these members, by the policy of the service. */
export function createSelector(
  { config, pool, worker }: Pick<ServiceContext, 'config' | 'pool' | 'worker'>,
  members: readonly AddressedMember[],
): Selector<AddressedMember> {
  return new Selector({
    policy: createPolicy(config.balance.policy),
    members,
    state: pool,
    worker,
  });
}
