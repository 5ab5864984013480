import { setTimeout as delay } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { formatAddress } from '../config/address.ts';
import type { Address, Config } from '../config/config.ts';
import { createResolver } from '../health/resolver.ts';
import { assertFree } from '../net/listener.ts';
import type { AccessLog } from '../observe/access-log.ts';
import type { AdminServer } from '../observe/admin.ts';
import { CounterTotals } from '../observe/counter-totals.ts';
import { type CounterLayout, createCounterBuffer, createCounterLayout } from '../observe/counters.ts';
import { receiveEvents } from '../observe/event-port.ts';
import type { Logger } from '../observe/logger.ts';
import type { GatewayState, StatusSnapshot } from '../observe/status.ts';
import { releaseWorkerSources } from '../policy/source-limits.ts';
import { createSourceTable, type SourceTableMemory } from '../policy/source-table.ts';
import { Crew } from './crew.ts';
import { fileLimit, neededFiles } from './file-limit.ts';
import { GatewayMetrics } from './gateway-metrics.ts';
import { readiness, type StatusSources, snapshotStatus } from './gateway-status.ts';
import type { LoadedService } from './material.ts';
import { removePidFile, writePidFile } from './pid-file.ts';
import { Pool } from './pool.ts';
import { dropPrivileges } from './privileges.ts';
import type { WorkerSnapshot } from './snapshot.ts';
import { TrustKeeper } from './trust-keeper.ts';

export interface GatewayOptions {
  readonly config: Config;
  /** One for each service. */
  readonly material: readonly LoadedService[];
  readonly version: string;
  readonly log: Logger;
  readonly access: AccessLog | undefined;
  /** The token of the admin endpoint, already read. */
  readonly adminToken: string | undefined;
}

/** How long the first answers of name servers are waited for; later ones are used when they come. */
const RESOLVE_PATIENCE_MS = 1000;
/** How long the workers may take to cut what is left. */
const CUT_PATIENCE_MS = 2000;
const SOURCE_ENTRIES = 65_536;

/** A running gateway: the control plane, and the crew of workers it leads. */
export class Gateway implements AsyncDisposable {
  readonly #options: GatewayOptions;
  readonly #startedAtMs: number = Date.now();
  readonly #layout: CounterLayout;
  readonly #counterBuffer: SharedArrayBuffer;
  readonly #totals: CounterTotals;
  readonly #sourceMemory: SourceTableMemory;
  readonly #connectionIds: SharedArrayBuffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #pools: readonly Pool[];
  readonly #crew: Crew;
  readonly #trust: TrustKeeper;
  readonly #metrics: GatewayMetrics;
  #state: GatewayState = 'starting';
  #addresses: readonly (readonly Address[])[] = [];
  #admin: AdminServer | undefined;

  private constructor(options: GatewayOptions) {
    const { config, log } = options;
    this.#options = options;
    this.#layout = createCounterLayout({
      services: config.services.map(({ name }) => name),
      backends: config.services.map(({ backends }) => backends.map(({ name }) => name)),
      workers: config.workers,
    });
    this.#counterBuffer = createCounterBuffer(this.#layout);
    this.#totals = new CounterTotals(this.#layout, this.#counterBuffer);
    this.#sourceMemory = createSourceTable({ workerCount: config.workers, entryCount: SOURCE_ENTRIES });
    const resolver = createResolver(config.resolver);
    this.#pools = config.services.map(
      (service, index) =>
        new Pool({
          config: service,
          backendMaterial: options.material[index]?.backendMaterial ?? [],
          workers: config.workers,
          resolver,
          log,
          onMembers: (members) => this.#crew.tell({ type: 'members', service: index, members }),
          onOptions: (paths) => this.#crew.tell({ type: 'options', service: index, paths }),
          onCheck: (backend, result, seconds) =>
            this.#metrics.tell((metrics) => metrics.healthCheck(service.name, backend, result, seconds)),
        }),
    );
    this.#crew = new Crew({
      size: config.workers,
      snapshot: (workerIndex, eventPort) => this.#snapshotFor(workerIndex, eventPort),
      onEventPort: (port) => receiveEvents(port, log, options.access),
      onFailures: (service, slot) => this.#pools[service]?.reportFailures(slot),
      onLearn: (service, path) => this.#pools[service]?.learn(path),
      onDeath: (worker, detail) => this.#workerDied(worker, detail),
      onReplaced: (worker) => log.log('worker-started', { worker }),
    });
    this.#trust = new TrustKeeper({
      config,
      material: options.material,
      log,
      tell: (message) => this.#crew.tell(message),
      onExpiries: (expiries) => this.#metrics.tell((metrics) => metrics.certificateExpiry(expiries)),
    });
    this.#metrics = new GatewayMetrics({
      ...{ config, version: options.version, layout: this.#layout, buffer: this.#counterBuffer, pools: this.#pools },
      logLinesLost: () => log.lostCount + (options.access?.lostCount ?? 0),
    });
  }

  /** Starts everything. Throws `ICAPGW_LISTEN` where an address cannot be had; nothing is left running then. */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(options);
    try {
      await gateway.#start();
      return gateway;
    } catch (error) {
      await gateway[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The addresses really bound, service by service. */
  get addresses(): readonly (readonly Address[])[] {
    return this.#addresses;
  }

  /** `http://127.0.0.1:9344`; undefined where there is no admin endpoint. */
  get adminUrl(): string | undefined {
    return this.#admin === undefined ? undefined : `http://${this.#admin.address}`;
  }

  /** What the status page shows. */
  status(): StatusSnapshot {
    return snapshotStatus(this.#statusSources());
  }

  /** Resolves when every worker has answered: none is stuck. */
  async ping(): Promise<void> {
    await this.#crew.ask({ type: 'ping' }, 'pong');
  }

  /** Is not ready any more from here on, and goes on accepting until it is drained. */
  announceDrain(): void {
    this.#state = 'draining';
  }

  /**
   * Ends accepting and waits for the sessions. When `deadline` is aborted, what is left is cut. Returns how many
   * sessions were.
   */
  async drain(deadline: AbortSignal): Promise<number> {
    const { config, log } = this.#options;
    this.announceDrain();
    const connections = this.#pools.reduce((sum, pool) => sum + pool.state.connections(), 0);
    log.log('draining', { connections, deadlineMs: config.drainTimeoutMs });
    const drained = this.#crew.ask({ type: 'drain' }, 'drained');
    const late = new Promise<'late'>((resolve) => {
      if (deadline.aborted) resolve('late');
      else deadline.addEventListener('abort', () => resolve('late'), { once: true });
    });
    let cuts: readonly number[] = [];
    if ((await Promise.race([drained, late])) === 'late') {
      const asked = this.#crew.ask({ type: 'cut' }, 'cut');
      const answers = (await Promise.race([asked, delay(CUT_PATIENCE_MS, undefined, { ref: false })])) ?? [];
      cuts = config.services.map((_, index) => answers.reduce((sum, { counts }) => sum + (counts[index] ?? 0), 0));
      // A worker that does not even answer is ended with the rest.
      await Promise.race([drained, delay(CUT_PATIENCE_MS, undefined, { ref: false })]);
    }
    const cut = cuts.reduce((sum, count) => sum + count, 0);
    const services = config.services.flatMap(({ name }, index) => (cuts[index] ? [`${name} ${cuts[index]}`] : []));
    log.log('drained', { cut, ...(cut > 0 && { services }) });
    return cut;
  }

  /** Writes one line of statistics for each service. */
  logStatistics(): void {
    for (const { name, connections, bytes } of this.status().services) {
      const { active, accepted } = connections;
      this.#options.log.log('statistics', {
        ...{ service: name, active, accepted },
        ...{ bytesIn: bytes.received, bytesOut: bytes.sent },
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#trust[Symbol.dispose]();
    for (const pool of this.#pools) pool[Symbol.dispose]();
    await this.#crew[Symbol.asyncDispose]();
    await this.#admin?.[Symbol.asyncDispose]();
    const { pidFile } = this.#options.config;
    if (pidFile !== undefined && this.#state !== 'starting') await removePidFile(pidFile);
  }

  async #start(): Promise<void> {
    const { config, log } = this.#options;
    const startedMs = performance.now();
    for (const { listen, sockets } of config.services) {
      await Promise.all(listen.map((address) => assertFree(address, sockets.ipv6Only)));
    }
    const resolved = Promise.all(this.#pools.map((pool) => pool.start()));
    await Promise.race([resolved, delay(RESOLVE_PATIENCE_MS, undefined, { ref: false })]);
    this.#addresses = await this.#crew.start(config.services.map(({ listen }) => listen));
    for (const [index, service] of config.services.entries()) {
      for (const address of this.#addresses[index] ?? []) {
        log.log('listening', { service: service.name, address: formatAddress(address) });
      }
      if (this.#trust.material[index]?.material === undefined) log.log('plain-service', { service: service.name });
    }
    const [limit, needed] = [fileLimit(), neededFiles(config)];
    if (limit < needed) log.log('file-limit-low', { limit, needed });
    await this.#startAdmin();
    dropPrivileges(config);
    if (config.pidFile !== undefined) await writePidFile(config.pidFile);
    this.#state = 'ready';
    this.#trust.start();
    const ms = Math.round(performance.now() - startedMs);
    log.log('ready', { services: config.services.length, workers: config.workers, ms });
  }

  async #startAdmin(): Promise<void> {
    const { config, log, adminToken } = this.#options;
    const { listen, explicit } = config.admin;
    if (listen === 'off') return;
    const { startAdmin } = await import('../observe/admin.ts');
    this.#admin = await startAdmin({
      listen,
      explicit,
      token: adminToken,
      log,
      sources: {
        status: () => this.status(),
        readiness: () => readiness(this.#statusSources()),
        metricsText: () => this.#metrics.text(),
      },
    });
  }

  #snapshotFor(workerIndex: number, eventPort: MessagePort): WorkerSnapshot {
    const { config, log, access } = this.#options;
    return {
      workerIndex,
      services: config.services.map((service, index) => {
        const pool = this.#pools[index];
        const loaded = this.#trust.material[index];
        if (pool === undefined || loaded === undefined)
          throw new RangeError(`no pool or material for service ${index}`);
        const { state, members, paths } = pool;
        return { config: service, ...loaded, poolBuffer: state.buffer, members, options: paths };
      }),
      counterLayout: this.#layout,
      counterBuffer: this.#counterBuffer,
      sourceMemory: this.#sourceMemory,
      blocked: [],
      tickets: this.#trust.tickets,
      connectionIds: this.#connectionIds,
      enabledEvents: log.enabled,
      accessEnabled: access !== undefined,
      squidEnabled: config.log.accessFormat === 'squid',
      eventPort,
    };
  }

  #workerDied(worker: number, detail: string): void {
    for (const pool of this.#pools) pool.state.releaseWorker(worker);
    releaseWorkerSources(this.#sourceMemory, worker);
    this.#options.log.log('worker-died', { worker, detail });
    this.#metrics.tell((metrics) => metrics.workerRestarted());
  }

  #statusSources(): StatusSources {
    return {
      version: this.#options.version,
      startedAtMs: this.#startedAtMs,
      state: this.#state,
      config: this.#options.config,
      addresses: this.#addresses,
      pools: this.#pools,
      totals: this.#totals,
    };
  }
}
