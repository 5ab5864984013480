import { parentPort } from 'node:worker_threads';
import type { Address } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import type { ServiceContext } from '../gateway/context.ts';
import { Service } from '../gateway/service.ts';
import { type ConfiguredService, linkServices, successorByName } from '../gateway/service-link.ts';
import type { AddressedMember } from '../health/membership.ts';
import { createBackendIdentity } from '../net/backend-identity.ts';
import { EventPort } from '../observe/event-port.ts';
import { Blockade } from '../policy/blockade.ts';
import { assertRuntimeSupport } from '../tls/server-handshake.ts';
import type { ServiceMaterial } from '../tls/service-material.ts';
import { SharedSessions } from '../tls/shared-sessions.ts';
import type { TicketSecret } from '../tls/ticket-keys.ts';
import { DepartedServices } from './departed-services.ts';
import { createClientTls, createSelector, createServiceContexts, type WorkerParts } from './service-context.ts';
import type { FromWorker, GenerationSnapshot, ToWorker, WorkerSnapshot } from './snapshot.ts';

/** The data plane of one thread. Lives from the first message to the end of the thread. */
class WorkerRuntime {
  readonly #parts: WorkerParts;
  #generation: number;
  #contexts: readonly ServiceContext[];
  #services: readonly Service[];
  readonly #awake: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  readonly #departed: DepartedServices = new DepartedServices(crash);
  #materials: (ServiceMaterial | undefined)[];
  #tickets: TicketSecret;
  readonly #tell: (message: FromWorker) => void;

  constructor(snapshot: WorkerSnapshot, tell: (message: FromWorker) => void) {
    this.#tell = tell;
    this.#parts = {
      snapshot,
      events: new EventPort({ ...snapshot.eventWishes, port: snapshot.eventPort }),
      blocked: new Blockade(snapshot.blocked, snapshot.enforce),
      sessions: new SharedSessions(snapshot.backendSessions),
      clientSessions: new SharedSessions(snapshot.clientSessions),
      awake: this.#awake.promise,
      tell,
    };
    this.#tickets = snapshot.tickets;
    this.#materials = snapshot.services.map(({ material }) => material);
    this.#generation = snapshot.generation;
    this.#contexts = createServiceContexts(snapshot, this.#parts, this.#tickets);
    this.#services = this.#contexts.map((context) => new Service(context));
    linkServices(this.#configured, this.#configured);
    for (const [index, { options }] of snapshot.services.entries()) this.#services[index]?.setOptions(options);
  }

  async handle(message: ToWorker): Promise<void> {
    if ('generation' in message && message.generation !== this.#generation) {
      // Whoever lost a client's trust ends its sessions, in force or not.
      if (message.type === 'material') this.#departed.setMaterial(message, this.#tickets);
      return;
    }
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
      case 'backend-material':
        this.#setBackendMaterial(message);
        return;
      case 'blocked':
        this.#parts.blocked.setNetworks(message.networks);
        this.#cutBlocked();
        return;
      case 'listed':
        this.#parts.blocked.setListed(message.listed);
        this.#parts.blocked.setExempt(message.exempt);
        this.#cutBlocked();
        return;
      case 'feed-blocked':
        this.#parts.blocked.change(message);
        if (message.blocked.length > 0) this.#cutBlocked(new Set(message.blocked.map(([address]) => address)));
        return;
      case 'connections':
        this.#tellConnections(message.limit);
        return;
      case 'log-events':
        this.#parts.events.setEnabled(message.enabled);
        return;
      case 'wake':
        this.#awake.resolve();
        for (const service of this.#services) service.wake();
        return;
      case 'ping':
        this.#tell({ type: 'pong' });
        return;
      case 'reload':
        await this.#reload(message);
        return;
      case 'drain':
        await Promise.all(this.#all.map((service) => service.drain()));
        // On a channel of its own, and the log may be closed after the last word here.
        await this.#parts.events.delivered();
        this.#tell({ type: 'drained' });
        return;
      case 'cut':
        this.#tell({
          type: 'cut',
          counts: this.#all.map((service) => ({ service: service.name, count: service.cut() })),
        });
        return;
    }
  }

  get #configured(): readonly ConfiguredService[] {
    return configure(this.#services, this.#contexts);
  }

  get #all(): readonly Service[] {
    return [...this.#services, ...this.#departed.services];
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
    const contexts = createServiceContexts(next, this.#parts, this.#tickets);
    const known = new Map(this.#contexts.map(({ config }, index) => [config.name, this.#services[index]]));
    const services = contexts.map((context) => known.get(context.config.name) ?? new Service(context));
    const kept = this.#services.map((service) => service.addresses);
    const bound: (readonly Address[])[] = [];
    const configured = configure(services, contexts);
    // A new one accepts from the moment it listens.
    linkServices(
      configured.filter(({ service }) => !this.#services.includes(service)),
      configured,
    );
    try {
      for (const [index, service] of services.entries()) {
        bound.push(await this.#listenAt(service, addresses[index] ?? [], reusePort));
      }
    } catch (error) {
      await Promise.all(this.#services.map((service, index) => service.listenOnly(kept[index] ?? [])));
      const fresh = services.filter((service) => !this.#services.includes(service));
      await Promise.all(fresh.map((service) => service[Symbol.asyncDispose]()));
      this.#tell({ type: 'reload-failed', detail: messageOf(error) });
      return;
    }
    // What fails from here on is a mistake in this program, with half of it taken: nothing could be put back.
    await this.#takeOver(next, contexts, services, bound);
    this.#tell({ type: 'reloaded', addresses: bound });
  }

  /** Returns the addresses really bound. What a service of ours accepts at already goes over to it later. */
  async #listenAt(service: Service, addresses: readonly Address[], reusePort: boolean): Promise<readonly Address[]> {
    // A port has one listener, and goes over; several services may each start the same program.
    const isKept = (address: Address): boolean =>
      (address.kind === 'exec' ? [service] : this.#services).some((each) => each.isListening(address));
    const attempts = await Promise.allSettled(
      addresses.map((address) => (isKept(address) ? address : service.listen(address, reusePort))),
    );
    // All have ended by now, so that none opens after what was opened is closed again.
    return attempts.map((attempt) => {
      if (attempt.status === 'rejected') throw attempt.reason;
      return attempt.value;
    });
  }

  async #takeOver(
    { generation, services: snapshots, enforce }: GenerationSnapshot,
    contexts: readonly ServiceContext[],
    services: readonly Service[],
    bound: readonly (readonly Address[])[],
  ): Promise<void> {
    const before = this.#services;
    const left = { generation: this.#generation, contexts: this.#contexts };
    this.#generation = generation;
    this.#contexts = contexts;
    this.#services = services;
    this.#materials = snapshots.map(({ material }) => material);
    this.#parts.blocked.setLevels(enforce);
    for (const [index, service] of services.entries()) {
      const context = contexts[index];
      if (context !== undefined && before.includes(service)) service.update(context);
      service.setOptions(snapshots[index]?.options ?? []);
    }
    linkServices(this.#configured, this.#configured);
    const successors = new Map<Service, Service>();
    for (const [index, service] of services.entries()) {
      for (const address of (bound[index] ?? []).filter((each) => !service.isListening(each))) {
        const owner = before.find((each) => each.isListening(address));
        const listener = owner?.surrender(address);
        if (owner === undefined || listener === undefined) continue;
        service.adopt(listener);
        successors.set(owner, service);
      }
    }
    for (const [index, service] of before.entries()) {
      const context = left.contexts[index];
      if (context === undefined || services.includes(service)) continue;
      const successor = successors.get(service) ?? successorByName(context.config.sni, this.#configured);
      this.#departed.add(service, { generation: left.generation, context, successor });
    }
    const hashes = new Map(left.contexts.map(({ config, trustHash }) => [config.name, trustHash]));
    const taken = new Set(successors.values());
    for (const [index, service] of services.entries()) {
      const context = contexts[index];
      if (context === undefined) continue;
      const hasTrustChanged = hashes.get(context.config.name) !== context.trustHash;
      if (hasTrustChanged || taken.has(service)) this.#departed.successorChanged(service, context);
    }
    // Peers may be looked for from here on who were not before.
    this.#cutBlocked();
    await Promise.all(services.map((service, index) => service.listenOnly(bound[index] ?? [])));
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
    context.tls = createClientTls(context.config, material, this.#tickets, this.#parts.clientSessions);
    context.trustHash = material?.policyHash;
    const service = this.#services[index];
    if (!hasChanged || service === undefined) return;
    service.reconsider(context);
    this.#departed.successorChanged(service, context);
  }

  #setBackendMaterial({ service, backend, material }: Extract<ToWorker, { type: 'backend-material' }>): void {
    const context = this.#contexts[service];
    if (context === undefined) return;
    context.identities[backend] = createBackendIdentity(material, this.#parts.sessions);
    this.#services[service]?.closeIdleBackends();
  }

  #cutBlocked(addresses?: ReadonlySet<string>): void {
    for (const service of this.#all) service.cutBlocked(addresses);
  }

  #tellConnections(limit: number): void {
    const services = this.#all;
    const entries = services.flatMap((service) => service.describe(limit));
    const total = services.reduce((sum, { sessionCount }) => sum + sessionCount, 0);
    this.#tell({ type: 'connections', total, entries });
  }
}

function configure(services: readonly Service[], contexts: readonly ServiceContext[]): readonly ConfiguredService[] {
  return contexts.flatMap(({ config }, index) => {
    const service = services[index];
    return service === undefined ? [] : [{ service, config }];
  });
}

const port = parentPort;
if (port === null) throw new TypeError('this file is the entry of a worker thread');
assertRuntimeSupport();
let runtime: WorkerRuntime | undefined;
port.on('message', (message: WorkerSnapshot | ToWorker) => {
  if (runtime !== undefined) runtime.handle(message as ToWorker).catch(crash);
  // The first one says what this worker is.
  else runtime = new WorkerRuntime(message as WorkerSnapshot, (answer) => port.postMessage(answer));
});

/** A mistake in this program: the thread ends, and the main thread replaces it and says so. */
function crash(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
