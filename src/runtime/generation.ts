import { setTimeout as delay } from 'node:timers/promises';
import type { Address, Config } from '../config/config.ts';
import type { Resolver } from '../health/resolver.ts';
import { CounterCarrier } from '../observe/counter-carrier.ts';
import { type CounterLayout, createCounterBuffer, createCounterLayout } from '../observe/counters.ts';
import type { Logger } from '../observe/logger.ts';
import type { CertificateExpiry } from '../observe/metrics.ts';
import type { LoadedService } from './material.ts';
import { Pool, type PoolOptions } from './pool.ts';
import type { GenerationSnapshot, ToWorker } from './snapshot.ts';
import { TrustKeeper } from './trust-keeper.ts';

export interface GenerationOptions {
  readonly number: number;
  readonly config: Config;
  /** One for each service. */
  readonly material: readonly LoadedService[];
  readonly workers: number;
  readonly resolver: Resolver;
  readonly log: Logger;
  /** Undefined for the first one. What the operator wished of backends goes over from it. */
  readonly earlier: Generation | undefined;
  /** Once it is in force, and for its services that later ones have not. */
  readonly tell: (message: ToWorker) => void;
  readonly onCheck: (service: string, ...check: Parameters<PoolOptions['onCheck']>) => void;
  readonly onExpiries: (expiries: readonly CertificateExpiry[]) => void;
}

/** How long the first answers of name servers are waited for; later ones are used when they come. */
const RESOLVE_PATIENCE_MS = 1000;

/** What belongs to one configuration: its services' pools and trust, and the memory in which they are counted. */
export class Generation implements Disposable {
  readonly number: number;
  readonly config: Config;
  readonly layout: CounterLayout;
  readonly buffer: SharedArrayBuffer;
  readonly pools: readonly Pool[];
  /** Begins when the generation is in force. */
  readonly trust: TrustKeeper;
  /** The addresses really bound, service by service. */
  addresses: readonly (readonly Address[])[] = [];
  #earlier: Generation | undefined;
  #carrier: CounterCarrier | undefined;

  constructor(options: GenerationOptions) {
    const { number, config, workers, earlier } = options;
    this.number = number;
    this.config = config;
    this.#earlier = earlier;
    const layout = createCounterLayout({
      services: config.services.map(({ name }) => name),
      backends: config.services.map(({ backends }) => backends.map(({ name }) => name)),
      workers,
    });
    // The same names in the same order: workers go on counting where they do.
    const isSame = earlier !== undefined && JSON.stringify(earlier.layout) === JSON.stringify(layout);
    this.layout = isSame ? earlier.layout : layout;
    this.buffer = isSame ? earlier.buffer : createCounterBuffer(layout);
    this.#carrier = earlier === undefined || isSame ? undefined : new CounterCarrier(earlier, this);
    this.pools = createPools(options);
    this.trust = createTrust(this, options);
  }

  /** Finds the backends and begins to watch them, with what is left of the generation before. */
  async start(): Promise<void> {
    const resolved = Promise.all(this.pools.map((pool) => pool.start()));
    await Promise.race([resolved, delay(RESOLVE_PATIENCE_MS, undefined, { ref: false })]);
    this.carry();
  }

  poolOf(service: string): Pool | undefined {
    return this.pools[this.config.services.findIndex(({ name }) => name === service)];
  }

  /** Where a service accepts. */
  addressesOf(service: string): readonly Address[] {
    return this.addresses[this.config.services.findIndex(({ name }) => name === service)] ?? [];
  }

  /** Where the backends are, as far as that is known. */
  get backendHosts(): readonly string[] {
    const members = this.pools.flatMap((pool) => pool.members);
    return members.flatMap(({ address }) => (address.kind === 'tcp' ? [address.host] : []));
  }

  /** What is known of the backends, for workers that have the rest of it. */
  news(): readonly ToWorker[] {
    return this.pools.flatMap(({ members, paths }, service): ToWorker[] => [
      { type: 'members', generation: this.number, service, members },
      { type: 'options', generation: this.number, service, paths },
    ]);
  }

  /** What is told to workers of it. */
  snapshot(): GenerationSnapshot {
    const { material } = this.trust;
    return {
      generation: this.number,
      services: this.config.services.map((service, index) => {
        const pool = this.pools[index];
        const loaded = material[index];
        if (pool === undefined || loaded === undefined) {
          throw new RangeError(`no pool or material for service ${index}`);
        }
        const { state, members, paths } = pool;
        return { config: service, ...loaded, poolBuffer: state.buffer, members, options: paths };
      }),
      counterLayout: this.layout,
      counterBuffer: this.buffer,
      enforce: this.config.feeds?.enforce ?? ['peer'],
    };
  }

  /** Takes over what was counted under the generation before, and what its sessions still hold. */
  carry(): void {
    const earlier = this.#earlier;
    if (earlier === undefined) return;
    this.#carrier?.carry();
    for (const [index, { name }] of this.config.services.entries()) {
      const [pool, before] = [this.pools[index], earlier.poolOf(name)];
      if (pool !== undefined && before !== undefined) pool.carry(before);
    }
  }

  /** What the operator wished of backends since this generation was made. */
  takeWishes(): void {
    for (const [index, { name }] of this.config.services.entries()) {
      for (const [backend, wish] of this.#earlier?.poolOf(name)?.administrative ?? []) {
        this.pools[index]?.setAdministrative(backend, wish);
      }
    }
  }

  /**
   * The generation before has no session left: what is left of it is taken over for the last time, and the one before
   * it takes its place.
   */
  skipEarlier(): void {
    this.carry();
    const skipped = this.#earlier;
    const earlier = skipped === undefined ? undefined : skipped.#earlier;
    this.#earlier = earlier;
    // What was counted there so far came here by way of the one that is skipped.
    const isCounted = earlier !== undefined && earlier.buffer !== this.buffer;
    this.#carrier = isCounted ? new CounterCarrier(earlier, this, 'later') : undefined;
  }

  /** Whether no session of it is left. */
  get isIdle(): boolean {
    return this.pools.every((pool) => pool.state.isUnused());
  }

  /** Its backends are watched no more. What is known of them stays, for the sessions that are left. */
  retire(next: Config): void {
    for (const pool of this.pools) pool.retire();
    this.trust.retire(next);
  }

  /** Leaves `trust`, which sessions of generations before may need when this one has none left. */
  [Symbol.dispose](): void {
    for (const pool of this.pools) pool[Symbol.dispose]();
  }
}

// What calls back from a pool or a keeper is made where `earlier` is out of reach: a closure keeps alive whatever those
// beside it use, and each generation would so hold on to all before it.

function createPools({ config, material, workers, resolver, log, earlier, ...hooks }: GenerationOptions): Pool[] {
  return config.services.map(
    (service, index) =>
      new Pool({
        config: service,
        backendMaterial: material[index]?.backendMaterial ?? [],
        workers,
        resolver,
        log,
        earlier: earlier?.poolOf(service.name)?.legacy(),
        ...hooksOf(hooks, service.name, index),
      }),
  );
}

function hooksOf(
  { number, tell, onCheck }: Pick<GenerationOptions, 'number' | 'tell' | 'onCheck'>,
  name: string,
  service: number,
): Pick<PoolOptions, 'onMembers' | 'onOptions' | 'onCheck'> {
  return {
    onMembers: (members) => tell({ type: 'members', generation: number, service, members }),
    onOptions: (paths) => tell({ type: 'options', generation: number, service, paths }),
    onCheck: (...check) => onCheck(name, ...check),
  };
}

function createTrust(
  generation: Generation,
  { number, config, material, log, tell, onExpiries, earlier }: GenerationOptions,
): TrustKeeper {
  return new TrustKeeper({
    ...{ config, generation: number, material, log, tell, onExpiries },
    tickets: earlier?.trust.handover,
    onBackend: (service, backend, backendMaterial) => {
      generation.pools[service]?.setBackendMaterial(backend, backendMaterial);
      tell({ type: 'backend-material', generation: number, service, backend, material: backendMaterial });
    },
  });
}
