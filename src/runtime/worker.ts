import { parentPort, workerData } from 'node:worker_threads';
import { createPolicy } from '../balance/create-policy.ts';
import { PoolState } from '../balance/pool-state.ts';
import { Selector } from '../balance/selector.ts';
import type { Address, ServiceConfig } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import type { ClientTls, ServiceContext } from '../gateway/context.ts';
import { Service } from '../gateway/service.ts';
import type { AddressedMember } from '../health/membership.ts';
import { createBackendIdentity } from '../net/backend-identity.ts';
import { WorkerCounters } from '../observe/counters.ts';
import { EventPort } from '../observe/event-port.ts';
import { SourceLimits } from '../policy/source-limits.ts';
import { SourceList } from '../policy/source-list.ts';
import { ClientAuth } from '../tls/client-auth.ts';
import { createServerContext } from '../tls/server-context.ts';
import { assertRuntimeSupport } from '../tls/server-handshake.ts';
import type { ServiceMaterial } from '../tls/service-material.ts';
import { deriveTicketKeys, type TicketSecret } from '../tls/ticket-keys.ts';
import type { FromWorker, ServiceSnapshot, ToWorker, WorkerSnapshot } from './snapshot.ts';

/** Of one service's connections, when they are asked for. */
const MOST_LISTED = 1000;

/** The data plane of one thread. Lives from the first message to the end of the thread. */
class WorkerRuntime {
  readonly #snapshot: WorkerSnapshot;
  readonly #events: EventPort;
  readonly #contexts: readonly ServiceContext[];
  readonly #services: readonly Service[];
  readonly #materials: (ServiceMaterial | undefined)[];
  #tickets: TicketSecret;
  readonly #tell: (message: FromWorker) => void;

  constructor(snapshot: WorkerSnapshot, tell: (message: FromWorker) => void) {
    const { eventPort: port, enabledEvents: enabled, accessEnabled: access, squidEnabled: squid } = snapshot;
    this.#snapshot = snapshot;
    this.#tell = tell;
    this.#events = new EventPort({ port, enabled, access, squid });
    this.#tickets = snapshot.tickets;
    this.#materials = snapshot.services.map(({ material }) => material);
    this.#contexts = snapshot.services.map((service, index) => this.#createContext(service, index));
    this.#services = this.#contexts.map((context) => new Service(context));
    for (const [index, { options }] of snapshot.services.entries()) this.#services[index]?.setOptions(options);
  }

  async handle(message: ToWorker): Promise<void> {
    switch (message.type) {
      case 'listen':
        await this.#listen(message.addresses, message.reusePort);
        return;
      case 'members':
        this.#setMembers(message.service, message.members);
        return;
      case 'options':
        this.#services[message.service]?.setOptions(message.paths);
        return;
      case 'tickets':
        this.#setTickets(message.tickets);
        return;
      case 'material':
        this.#setMaterial(message.service, message.material);
        return;
      case 'blocked':
        this.#setBlocked(message.addresses);
        return;
      case 'connections':
        this.#tellConnections();
        return;
      case 'ping':
        this.#tell({ type: 'pong' });
        return;
      case 'drain':
        await Promise.all(this.#services.map((service) => service.drain()));
        this.#events.flush();
        this.#tell({ type: 'drained' });
        return;
      case 'cut':
        this.#tell({ type: 'cut', counts: this.#services.map((service) => service.cut()) });
        return;
    }
  }

  async #listen(addresses: readonly (readonly Address[])[], reusePort: boolean): Promise<void> {
    try {
      const bound = await Promise.all(
        this.#services.map((service, index) =>
          Promise.all((addresses[index] ?? []).map((address) => service.listen(address, reusePort))),
        ),
      );
      this.#tell({ type: 'listening', addresses: bound });
    } catch (error) {
      this.#tell({ type: 'listen-failed', detail: messageOf(error) });
    }
  }

  #setMembers(index: number, members: readonly AddressedMember[]): void {
    const context = this.#contexts[index];
    if (context !== undefined) context.selector = createSelector(context, members);
  }

  #setTickets(tickets: TicketSecret): void {
    this.#tickets = tickets;
    for (const [index, material] of this.#materials.entries()) this.#setMaterial(index, material);
  }

  #setMaterial(index: number, material: ServiceMaterial | undefined): void {
    const context = this.#contexts[index];
    if (context === undefined) return;
    this.#materials[index] = material;
    context.tls = createClientTls(context.config, material, this.#tickets);
  }

  #setBlocked(addresses: readonly string[]): void {
    const blocked = SourceList.from({ allow: [], deny: addresses });
    for (const context of this.#contexts) context.blocked = blocked;
    for (const service of this.#services) service.cutBlocked();
  }

  #tellConnections(): void {
    const entries = this.#services.flatMap((service) => service.describe(MOST_LISTED));
    const total = this.#services.reduce((sum, { sessionCount }) => sum + sessionCount, 0);
    this.#tell({ type: 'connections', total, entries });
  }

  #createContext(
    { config, material, backendMaterial, blockPage, poolBuffer, members }: ServiceSnapshot,
    index: number,
  ): ServiceContext {
    const { workerIndex, counterLayout, counterBuffer, sourceMemory, blocked, connectionIds } = this.#snapshot;
    const ids = new Int32Array(connectionIds);
    const base = { config, worker: workerIndex, pool: new PoolState(poolBuffer) };
    return {
      ...base,
      index,
      selector: createSelector(base, members),
      tls: createClientTls(config, material, this.#tickets),
      identities: config.backends.map((_, backend) => {
        const found = backendMaterial[backend];
        return found === undefined ? undefined : createBackendIdentity(found);
      }),
      blockPage,
      sources: new SourceLimits({ memory: sourceMemory, workerIndex, scope: config.name }),
      blocked: SourceList.from({ allow: [], deny: blocked }),
      counters: new WorkerCounters(counterLayout, counterBuffer, workerIndex),
      events: this.#events,
      nextConnectionId: () => Atomics.add(ids, 0, 1) >>> 0,
      onFailures: (slot) => this.#tell({ type: 'failures', service: index, slot }),
      learnPath: (path) => this.#tell({ type: 'learn', service: index, path }),
    };
  }
}

function createClientTls(
  { tls, name }: ServiceConfig,
  material: ServiceMaterial | undefined,
  tickets: TicketSecret,
): ClientTls | undefined {
  if (tls === undefined) return undefined;
  // Going on in clear would be the worst way to fail.
  if (material === undefined) throw new TypeError(`service ${name} has TLS and no certificate to serve`);
  const keys = deriveTicketKeys(tickets, name, material.policyHash);
  return {
    context: createServerContext({ tls, material, tickets: keys }),
    auth: new ClientAuth(tls.clientAuth, material.trust),
  };
}

function createSelector(
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

const port = parentPort;
if (port === null) throw new TypeError('this file is the entry of a worker thread');
assertRuntimeSupport();
const runtime = new WorkerRuntime(workerData as WorkerSnapshot, (message) => port.postMessage(message));
port.on('message', (message: ToWorker) => {
  runtime.handle(message).catch((error: unknown) => {
    // A mistake in this program: the thread ends, and the main thread replaces it and says so.
    process.nextTick(() => {
      throw error;
    });
  });
});
