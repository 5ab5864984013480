import type { MessagePort } from 'node:worker_threads';
import type { Config } from '../config/config.ts';
import type { LoadedConfig } from '../config/load.ts';
import { RuntimeError } from '../errors.ts';
import type { Feed } from '../feeds/feed.ts';
import { createResolver } from '../health/resolver.ts';
import { CounterTotals } from '../observe/counter-totals.ts';
import { type EventSinks, receiveEvents, wishesOf } from '../observe/event-port.ts';
import type { ReloadResult } from '../observe/reload-result.ts';
import type { GatewayState, StatusSnapshot } from '../observe/status.ts';
import { releaseWorkerSources } from '../policy/source-limits.ts';
import { createSourceTable, type SourceTableMemory } from '../policy/source-table.ts';
import type { StunnelHost } from '../stunnel/host.ts';
import { createSharedSessions } from '../tls/shared-sessions.ts';
import { AdminSide } from './admin-side.ts';
import { Blocks } from './blocks.ts';
import { Crew } from './crew.ts';
import { drainCrew, tellDrained } from './drain.ts';
import { GatewayMetrics } from './gateway-metrics.ts';
import type { RunningGateway } from './gateway-status.ts';
import { Generation } from './generation.ts';
import { Generations } from './generations.ts';
import { resolveLocalAddresses } from './local-address.ts';
import { followLog } from './log-levels.ts';
import type { LoadedService } from './material.ts';
import { removePidFile, writePidFile } from './pid-file.ts';
import { dropPrivileges } from './privileges.ts';
import { keepFree, wantedAddresses } from './reload-address.ts';
import { Reloader } from './reloader.ts';
import { LISTED_CONNECTIONS, tellFileLimit, tellListening, tellNumbers, tellReady } from './report.ts';
import type { WorkerSnapshot } from './snapshot.ts';

export interface GatewayOptions extends EventSinks {
  readonly config: Config;
  /** One for each service. */
  readonly material: readonly LoadedService[];
  readonly version: string;
  /** The token of the admin endpoint, already read. */
  readonly adminToken: string | undefined;
  /** Its queue is open for as long as the gateway; begun here, ended by its owner. Undefined: no feed. */
  readonly feed: Feed | undefined;
  /** As whom a stunnel.conf is read when it is loaded again. */
  readonly host: StunnelHost;
  /** Reads the configuration again where it is not simply its file. */
  readonly load?: (() => Promise<LoadedConfig>) | undefined;
}

const SOURCE_ENTRIES = 65_536;
const SESSIONS = 1024;

/** A running gateway: the control plane, and the crew of workers it leads. */
export class Gateway implements AsyncDisposable {
  readonly #options: GatewayOptions;
  readonly #startedAtMs: number = Date.now();
  readonly #totals: CounterTotals;
  readonly #sourceMemory: SourceTableMemory;
  readonly #sharedSessions: Pick<WorkerSnapshot, 'backendSessions' | 'clientSessions'> = {
    backendSessions: createSharedSessions(SESSIONS),
    clientSessions: createSharedSessions(SESSIONS),
  };
  readonly #connectionIds: SharedArrayBuffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #crew: Crew;
  readonly #admin: AdminSide;
  readonly #metrics: GatewayMetrics;
  readonly #reloader: Reloader;
  readonly #generations: Generations;
  readonly #blocks: Blocks;
  #state: GatewayState = 'starting';

  private constructor(options: GatewayOptions) {
    const { config, log, feed } = options;
    this.#options = options;
    this.#sourceMemory = createSourceTable({ workerCount: config.workers, entryCount: SOURCE_ENTRIES });
    this.#generations = new Generations(this.#createGeneration(config, options.material));
    const { layout, buffer } = this.current;
    this.#totals = new CounterTotals(layout, buffer);
    this.#crew = new Crew({
      size: config.workers,
      snapshot: (workerIndex, eventPort) => this.#snapshotFor(workerIndex, eventPort),
      onEventPort: (port) => receiveEvents(port, options),
      onFailures: (generation, service, slot) =>
        this.#generations.find(generation)?.pools[service]?.reportFailures(slot),
      onLearn: (generation, service, path) => this.#generations.find(generation)?.pools[service]?.learn(path),
      onDeath: (worker, detail) => this.#workerDied(worker, detail),
      onReplaced: (worker) => log.log('worker-started', { worker }),
    });
    this.#blocks = new Blocks({ config, log, feed, tell: (message) => this.#crew.tell(message) });
    this.#metrics = new GatewayMetrics({
      version: options.version,
      totals: this.#totals,
      current: () => this.current,
      blockCounts: () => this.#blocks.counts,
      sinks: options,
      feed: feed?.metrics,
    });
    this.#admin = new AdminSide({
      crew: this.#crew,
      blocks: this.#blocks,
      log,
      running: () => this.#running(),
      metricsText: () => this.#metrics.text(),
      reload: () => this.requestReload(),
      feed,
    });
    this.#reloader = new Reloader({
      config,
      cwd: process.cwd(),
      host: options.host,
      load: options.load,
      log,
      isEnding: () => this.#state === 'draining',
      apply: (next, material) => this.reload(next, material),
      onResult: (isSuccess) => this.#metrics.tell((metrics) => metrics.configReload(isSuccess ? 'success' : 'failure')),
    });
  }

  /** Starts everything. Throws `ICAPGW_LISTEN` where an address cannot be had; nothing is left running then. */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const config = await keepFree(undefined, await resolveLocalAddresses(options.config), options.log);
    const gateway = new Gateway({ ...options, config });
    try {
      await gateway.#start();
      return gateway;
    } catch (error) {
      await gateway[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The configuration in force, and the addresses really bound for it. */
  get current(): Generation {
    return this.#generations.current;
  }

  /** `http://127.0.0.1:9344`; undefined where there is no admin endpoint. */
  get adminUrl(): string | undefined {
    return this.#admin.address && `http://${this.#admin.address}`;
  }

  /** Where the backends are, as far as that is known. */
  get backendHosts(): readonly string[] {
    return this.current.backendHosts;
  }

  /** What the status page shows. */
  status(): StatusSnapshot {
    return this.#admin.status();
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
    const { log } = this.#options;
    const { config } = this.current;
    this.announceDrain();
    const connections = this.current.pools.reduce((sum, pool) => sum + pool.state.connections(), 0);
    log.log('draining', { connections, deadlineMs: config.drainTimeoutMs });
    const counts = await drainCrew(this.#crew, deadline);
    return tellDrained(counts, log);
  }

  /**
   * Takes another configuration without losing a connection: listeners that stay keep their sockets, sessions finish by
   * the old rules, new ones go by the new. Throws `ICAPGW_LISTEN` where an address cannot be had; nothing has changed then.
   */
  async reload(wished: Config, material: readonly LoadedService[]): Promise<void> {
    const before = this.current;
    const config = await keepFree(before, await resolveLocalAddresses(wished), this.#options.log);
    const wanted = wantedAddresses(before, config);
    const next = this.#createGeneration(config, material, before);
    this.#generations.prepare(next);
    try {
      await next.start();
      if (this.#state === 'draining') throw new RuntimeError('ICAPGW_LISTEN', { detail: 'the gateway is draining' });
      next.addresses = await this.#crew.reload(next.snapshot(), wanted);
    } catch (error) {
      this.#generations.abandon();
      throw error;
    }
    next.takeWishes();
    this.#generations.replace(next);
    this.#totals.follow(next.layout, next.buffer);
    this.#metrics.tell((metrics) => metrics.startAtZero(next.layout));
    next.trust.start();
    // What came to be known while the workers took over.
    for (const message of next.news()) this.#crew.tell(message);
    this.#crew.tell(await followLog(config, this.#options.log));
    tellListening(before, next, material, this.#options.log);
    this.#blocks.follow(config);
    await this.#options.feed?.reload(config);
  }

  /** Takes no more clients than are there, and resolves when they have gone. */
  async served(): Promise<void> {
    await this.#crew.ask({ type: 'drain' }, 'drained');
  }

  /** Loads the configuration file again. Never rejects for what the file holds. */
  requestReload(): Promise<ReloadResult> {
    return this.#reloader.reload();
  }

  /** Writes one line of statistics for each service. */
  async logStatistics(): Promise<void> {
    const { log, config } = this.#options;
    // Elsewhere `ctl connections` lists them.
    const list = config.log.format === 'stunnel' ? await this.#admin.connections(LISTED_CONNECTIONS) : undefined;
    tellNumbers(this.status(), list, this.current.config, log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#generations[Symbol.dispose]();
    await this.#crew[Symbol.asyncDispose]();
    await this.#admin[Symbol.asyncDispose]();
    await this.#blocks[Symbol.asyncDispose]();
    const { pidFile } = this.#options.config;
    if (pidFile !== undefined && this.#state !== 'starting') await removePidFile(pidFile);
  }

  async #start(): Promise<void> {
    const { config, log } = this.#options;
    const startedMs = performance.now();
    await this.current.start();
    this.current.addresses = await this.#crew.start(config.services.map(({ listen }) => listen));
    this.#metrics.load();
    tellListening(undefined, this.current, this.current.trust.material, log);
    tellFileLimit(config, log);
    // From then on somebody may ask for a reload, which starts the trust of another generation.
    this.current.trust.start();
    await this.#admin.start(config.admin, this.#options.adminToken);
    await this.#admin.giveSocket(config);
    await this.#options.feed?.start();
    if (dropPrivileges(config)) log.privilegesDropped();
    if (config.pidFile !== undefined) await writePidFile(config.pidFile);
    this.#state = 'ready';
    tellReady(config, performance.now() - startedMs, log);
    this.#crew.wake();
  }

  #createGeneration(config: Config, material: readonly LoadedService[], earlier?: Generation): Generation {
    const number = (earlier?.number ?? 0) + 1;
    const { workers } = this.#options.config;
    return new Generation({
      ...{ number, config, material, workers, earlier, log: this.#options.log },
      resolver: createResolver(config.resolver),
      tell: (message) => {
        // Workers know a generation once they have taken it over; until then its news wait in its pools.
        if (number <= (this.#generations?.current.number ?? 0)) this.#crew.tell(message);
      },
      onCheck: (...check) => this.#metrics.tell((metrics) => metrics.healthCheck(...check)),
      onExpiries: (expiries) => this.#metrics.tell((metrics) => metrics.certificateExpiry(expiries)),
    });
  }

  #snapshotFor(workerIndex: number, eventPort: MessagePort): WorkerSnapshot {
    return {
      ...{ ...this.current.snapshot(), workerIndex },
      sourceMemory: this.#sourceMemory,
      ...this.#sharedSessions,
      blocked: this.#blocks.snapshot,
      tickets: this.current.trust.tickets,
      connectionIds: this.#connectionIds,
      eventWishes: wishesOf(this.#options, this.#options.config),
      eventPort,
    };
  }

  #workerDied(worker: number, detail: string): void {
    this.#generations.releaseWorker(worker);
    releaseWorkerSources(this.#sourceMemory, worker);
    this.#options.log.log('worker-died', { worker, detail });
    this.#metrics.tell((metrics) => metrics.workerRestarted());
  }

  #running(): RunningGateway {
    return {
      version: this.#options.version,
      startedAtMs: this.#startedAtMs,
      state: this.#state,
      config: this.current.config,
      addresses: this.current.addresses,
      pools: this.current.pools,
      totals: this.#totals,
      material: this.current.trust.material,
    };
  }
}
