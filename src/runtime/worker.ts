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
import { Blockade } from '../policy/blockade.ts';
import { SourceLimits } from '../policy/source-limits.ts';
import { ClientAuth } from '../tls/client-auth.ts';
import { createServerContext } from '../tls/server-context.ts';
import { assertRuntimeSupport } from '../tls/server-handshake.ts';
import type { ServiceMaterial } from '../tls/service-material.ts';
import { deriveTicketKeys, type TicketSecret } from '../tls/ticket-keys.ts';
import type { FromWorker, GenerationSnapshot, ServiceSnapshot, ToWorker, WorkerSnapshot } from './snapshot.ts';

/** The data plane of one thread. Lives from the first message to the end of the thread. */
class WorkerRuntime {
  readonly #snapshot: WorkerSnapshot;
  readonly #events: EventPort;
  #generation: number;
  #contexts: readonly ServiceContext[];
  #services: readonly Service[];
  /** Left out by a later configuration, and not yet without sessions. */
  readonly #leaving: Set<Service> = new Set();
  #materials: (ServiceMaterial | undefined)[];
  readonly #blocked: Blockade;
  #tickets: TicketSecret;
  readonly #tell: (message: FromWorker) => void;

  constructor(snapshot: WorkerSnapshot, tell: (message: FromWorker) => void) {
    this.#snapshot = snapshot;
    this.#tell = tell;
    this.#events = new EventPort({ ...snapshot.eventWishes, port: snapshot.eventPort });
    this.#blocked = new Blockade(snapshot.blocked);
    this.#tickets = snapshot.tickets;
    this.#materials = snapshot.services.map(({ material }) => material);
    this.#generation = snapshot.generation;
    this.#contexts = this.#createContexts(snapshot);
    this.#services = this.#contexts.map((context) => new Service(context));
    for (const [index, { options }] of snapshot.services.entries()) this.#services[index]?.setOptions(options);
  }

  async handle(message: ToWorker): Promise<void> {
    if ('generation' in message && message.generation !== this.#generation) return;
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
        this.#tellConnections(message.limit);
        return;
      case 'ping':
        this.#tell({ type: 'pong' });
        return;
      case 'reload':
        await this.#reload(message);
        return;
      case 'drain':
        await Promise.all([...this.#services, ...this.#leaving].map((service) => service.drain()));
        this.#events.flush();
        this.#tell({ type: 'drained' });
        return;
      case 'cut':
        for (const service of this.#leaving) service.cut();
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

  /** Listens first, so that an address that cannot be had changes nothing. */
  async #reload({ next, addresses, reusePort }: Extract<ToWorker, { type: 'reload' }>): Promise<void> {
    const contexts = this.#createContexts(next);
    const known = new Map(this.#contexts.map(({ config }, index) => [config.name, this.#services[index]]));
    const services = contexts.map((context) => known.get(context.config.name) ?? new Service(context));
    const kept = this.#services.map((service) => service.addresses);
    try {
      const bound: (readonly Address[])[] = [];
      for (const [index, service] of services.entries()) {
        bound.push(await this.#listenAt(service, addresses[index] ?? [], reusePort));
      }
      await this.#takeOver(next, contexts, services, bound);
      this.#tell({ type: 'reloaded', addresses: bound });
    } catch (error) {
      await Promise.all(this.#services.map((service, index) => service.listenOnly(kept[index] ?? [])));
      const fresh = services.filter((service) => !this.#services.includes(service));
      await Promise.all(fresh.map((service) => service[Symbol.asyncDispose]()));
      this.#tell({ type: 'reload-failed', detail: messageOf(error) });
    }
  }

  /** Returns the addresses really bound. What a service of ours accepts at already goes over to it later. */
  async #listenAt(service: Service, addresses: readonly Address[], reusePort: boolean): Promise<readonly Address[]> {
    const attempts = await Promise.allSettled(
      addresses.map((address) =>
        this.#services.some((each) => each.isListening(address)) ? address : service.listen(address, reusePort),
      ),
    );
    // All have ended by now, so that none opens after what was opened is closed again.
    return attempts.map((attempt) => {
      if (attempt.status === 'rejected') throw attempt.reason;
      return attempt.value;
    });
  }

  async #takeOver(
    { generation, services: snapshots }: GenerationSnapshot,
    contexts: readonly ServiceContext[],
    services: readonly Service[],
    bound: readonly (readonly Address[])[],
  ): Promise<void> {
    const before = this.#services;
    this.#generation = generation;
    this.#contexts = contexts;
    this.#services = services;
    this.#materials = snapshots.map(({ material }) => material);
    for (const [index, service] of services.entries()) {
      const context = contexts[index];
      if (context !== undefined && before.includes(service)) service.update(context);
      service.setOptions(snapshots[index]?.options ?? []);
    }
    for (const [index, service] of services.entries()) {
      for (const address of (bound[index] ?? []).filter((each) => !service.isListening(each))) {
        const listener = before.find((each) => each.isListening(address))?.surrender(address);
        if (listener !== undefined) service.adopt(listener);
      }
    }
    for (const service of before) if (!services.includes(service)) this.#leave(service);
    await Promise.all(services.map((service, index) => service.listenOnly(bound[index] ?? [])));
  }

  #leave(service: Service): void {
    this.#leaving.add(service);
    service
      .drain()
      .then(() => service[Symbol.asyncDispose]())
      .then(() => this.#leaving.delete(service), crash);
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
    const hasChanged = context.trustHash !== material?.policyHash;
    context.tls = createClientTls(context.config, material, this.#tickets);
    context.trustHash = material?.policyHash;
    if (hasChanged) this.#services[index]?.reconsider();
  }

  #setBlocked(addresses: readonly string[]): void {
    this.#blocked.replace(addresses);
    for (const service of [...this.#services, ...this.#leaving]) service.cutBlocked();
  }

  #tellConnections(limit: number): void {
    const services = [...this.#services, ...this.#leaving];
    const entries = services.flatMap((service) => service.describe(limit));
    const total = services.reduce((sum, { sessionCount }) => sum + sessionCount, 0);
    this.#tell({ type: 'connections', total, entries });
  }

  #createContexts(next: GenerationSnapshot): readonly ServiceContext[] {
    return next.services.map((service, index) => this.#createContext(next, service, index));
  }

  #createContext(
    { generation, counterLayout, counterBuffer }: GenerationSnapshot,
    { config, material, backendMaterial, blockPage, poolBuffer, members }: ServiceSnapshot,
    index: number,
  ): ServiceContext {
    const { workerIndex, sourceMemory, connectionIds } = this.#snapshot;
    const ids = new Int32Array(connectionIds);
    const base = { config, worker: workerIndex, pool: new PoolState(poolBuffer) };
    return {
      ...base,
      index,
      selector: createSelector(base, members),
      tls: createClientTls(config, material, this.#tickets),
      trustHash: material?.policyHash,
      identities: config.backends.map((_, backend) => {
        const found = backendMaterial[backend];
        return found === undefined ? undefined : createBackendIdentity(found);
      }),
      blockPage,
      sources: new SourceLimits({ memory: sourceMemory, workerIndex, scope: config.name }),
      blocked: this.#blocked,
      counters: new WorkerCounters(counterLayout, counterBuffer, workerIndex),
      events: this.#events,
      nextConnectionId: () => Atomics.add(ids, 0, 1) >>> 0,
      onFailures: (slot) => this.#tell({ type: 'failures', generation, service: index, slot }),
      learnPath: (path) => this.#tell({ type: 'learn', generation, service: index, path }),
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
    trust: material.trust,
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
  runtime.handle(message).catch(crash);
});

/** A mistake in this program: the thread ends, and the main thread replaces it and says so. */
function crash(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
