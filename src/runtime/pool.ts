import { PoolState } from '../balance/pool-state.ts';
import type { BackendConfig, ServiceConfig } from '../config/config.ts';
import { AdvertisedLimits } from '../health/advertised-limits.ts';
import { Checker, type MemberStatus, type StateChange } from '../health/checker.ts';
import type { AdministrativeState, MemberPast } from '../health/member-watch.ts';
import { type AddressedMember, countSlots, isFixed, type Membership, startMembership } from '../health/membership.ts';
import { OptionsDirectory } from '../health/options-directory.ts';
import type { MemberOptions, PathOptions } from '../health/path-options.ts';
import type { Resolver } from '../health/resolver.ts';
import { knownPaths } from '../health/service-plan.ts';
import type { ServiceOptions } from '../icap/service-options.ts';
import type { BackendStateLabel } from '../observe/labels.ts';
import type { Logger } from '../observe/logger.ts';
import type { BackendMaterial } from '../tls/backend-material.ts';
import { MemberTalk } from './member-talk.ts';

/** What is known of one path, by the names of members. */
interface NamedPath {
  readonly path: string;
  readonly members: readonly { readonly name: string; readonly options: MemberOptions }[];
}

/** What goes over from a pool to the one after it. It holds on to nothing that came before. */
export interface PoolLegacy {
  readonly administrative: ReadonlyMap<string, AdministrativeState>;
  /** How the members are, by their names. */
  readonly members: ReadonlyMap<string, MemberPast>;
  readonly paths: readonly NamedPath[];
  /** Only asked while the next pool starts. */
  readonly membership: Membership | undefined;
}

export interface PoolOptions {
  readonly config: ServiceConfig;
  readonly backendMaterial: readonly (BackendMaterial | undefined)[];
  readonly workers: number;
  readonly resolver: Resolver;
  readonly log: Logger;
  /** The pool of the same service under the configuration before: what it knows is not forgotten. */
  readonly earlier: PoolLegacy | undefined;
  readonly onMembers: (members: readonly AddressedMember[]) => void;
  /** What the backends say of their paths; only in ICAP mode. */
  readonly onOptions: (paths: readonly PathOptions[]) => void;
  readonly onCheck: (backend: string, result: MemberResult, seconds: number) => void;
}

type MemberResult = Parameters<ConstructorParameters<typeof Checker>[0]['onCheck']>[0]['result'];

/** The worst first: what a backend with several addresses is in, when none of them is up. */
const STATE_ORDER: readonly BackendStateLabel[] = ['up', 'drain', 'ejected', 'down', 'maint'];

/** The control plane of one service's backends: their addresses, their health, the memory they share with workers. */
export class Pool implements Disposable {
  readonly state: PoolState;
  /** Without the pool before, which would be kept with all those before it. */
  readonly #options: Omit<PoolOptions, 'earlier'>;
  readonly #inherited: readonly NamedPath[];
  #memory: Membership | undefined;
  readonly #checker: Checker;
  readonly #talk: MemberTalk;
  readonly #limits: AdvertisedLimits;
  readonly #directory: OptionsDirectory | undefined;
  #membership: Membership | undefined;
  #members: readonly AddressedMember[] = [];

  constructor(options: PoolOptions) {
    const { earlier, ...own } = options;
    const past = earlier?.members;
    const { config, backendMaterial, workers, onCheck } = own;
    this.#options = own;
    this.state = PoolState.create(countSlots(config.backends), workers);
    this.#talk = new MemberTalk(config, backendMaterial);
    this.#limits = new AdvertisedLimits((slot, limit) => this.state.setLimit(slot, limit));
    this.#directory = config.protocol === 'icap' ? this.#createDirectory() : undefined;
    this.#inherited = earlier?.paths ?? [];
    this.#memory = earlier?.membership;
    this.#checker = new Checker({
      state: this.state,
      settings: { ...config.health, ejectMs: config.outliers.ejectMs, slowStartMs: config.slowStartMs },
      outliers: config.outliers,
      random: Math.random,
      administrative: earlier?.administrative ?? new Map<string, AdministrativeState>(),
      earlierOf: (member) => past?.get(nameOf(member)),
      onStateChange: (change) => this.#stateChanged(change),
      onCheck: ({ backend, result, seconds }) => onCheck(backend, result, seconds),
    });
  }

  get administrative(): ReadonlyMap<string, AdministrativeState> {
    return this.#checker.administrative;
  }

  /** What the pool of the same service under the next configuration begins with. */
  legacy(): PoolLegacy {
    const names = new Map(this.#members.map((member) => [member.slot, nameOf(member)]));
    return {
      administrative: this.administrative,
      members: new Map(
        this.status().map((past) => [nameOf({ backendName: past.backend, addressText: past.address }), past]),
      ),
      paths: this.paths.map(({ path, members }) => ({
        path,
        members: members.map((options) => ({ name: names.get(options.slot) ?? '', options })),
      })),
      membership: this.#membership,
    };
  }

  /** Takes over what the pool before still holds: its sessions are not gone yet. */
  carry(earlier: Pool): void {
    const slots = new Map(
      this.#members.map(({ backendName, addressText, slot }) => [`${backendName} ${addressText}`, slot]),
    );
    const names = new Map(
      earlier.members.map(({ backendName, addressText, slot }) => [slot, `${backendName} ${addressText}`]),
    );
    this.state.carry(earlier.state, (slot) => slots.get(names.get(slot) ?? ''));
  }

  /** Ends probing and resolving. States stay as they are, for the sessions that are left. */
  retire(): void {
    this.#membership?.[Symbol.dispose]();
    this.#directory?.[Symbol.dispose]();
    this.#checker.retire();
  }

  /** What the operator wishes of a backend. */
  setAdministrative(backend: string, wish: AdministrativeState): void {
    this.#checker.setAdministrative(backend, wish);
  }

  setWeight(backend: string, weight: number): void {
    this.#checker.setWeight(backend, weight);
  }

  /** What probes of a backend prove themselves with, and check it by, from the next one on. */
  setBackendMaterial(backend: number, material: BackendMaterial): void {
    this.#talk.setMaterial(backend, material);
  }

  get members(): readonly AddressedMember[] {
    return this.#members;
  }

  /** Finds the members and begins to watch them. Resolves when every name was asked for once. */
  async start(): Promise<void> {
    const { config, resolver, log } = this.#options;
    const service = config.name;
    this.#membership = startMembership({
      backends: config.backends,
      state: this.state,
      resolver,
      earlier: this.#memory,
      onMembers: (members) => this.#setMembers(members),
      onIgnored: ({ name }, addresses) => {
        const detail = `more addresses than can be used; left out: ${addresses.join(', ')}`;
        log.log('resolve-failed', { service, backend: name, detail });
      },
      onResolveFailure: ({ name }, detail) => log.log('resolve-failed', { service, backend: name, detail }),
      onResolveRecovery: ({ name }) => log.log('resolve-recovered', { service, backend: name }),
    });
    this.#memory = undefined;
    this.#tellDoubts();
    for (const { path } of this.paths) this.learn(path);
    await this.#membership.settled;
  }

  /** What is known of the paths of the backends. */
  get paths(): readonly PathOptions[] {
    return this.#withInherited(this.#directory?.paths ?? []);
  }

  /** A client asked for a path that is not known yet. */
  learn(path: string): void {
    this.#directory?.learn(path);
  }

  reportFailures(slot: number): void {
    this.#checker.reportFailures(slot);
  }

  status(): readonly MemberStatus[] {
    return this.#checker.status();
  }

  /** One state per configured backend: up when any of its addresses is. */
  stateOf(backend: string): BackendStateLabel {
    const states = this.status()
      .filter((member) => member.backend === backend)
      .map(({ state }) => state);
    return STATE_ORDER.find((state) => states.includes(state)) ?? 'down';
  }

  activeOf(backend: string): number {
    return this.#slotsOf(backend).reduce((sum, slot) => sum + this.state.activeOf(slot), 0);
  }

  idleOf(backend: string): number {
    return this.#slotsOf(backend).reduce((sum, slot) => sum + this.state.idleOf(slot), 0);
  }

  /** How many connections the backend may have now, over all its addresses; undefined: any number. */
  limitOf(backend: string): number | undefined {
    const limits = this.#slotsOf(backend).map((slot) => this.state.limitOf(slot));
    return limits.length === 0 || limits.includes(0) ? undefined : limits.reduce((sum, limit) => sum + limit, 0);
  }

  [Symbol.dispose](): void {
    this.#membership?.[Symbol.dispose]();
    this.#directory?.[Symbol.dispose]();
    this.#checker[Symbol.dispose]();
  }

  #setMembers(members: readonly AddressedMember[]): void {
    const { config, log, onMembers } = this.#options;
    for (const backend of config.backends) this.#tellAddresses(backend, members, log);
    this.#members = members;
    this.#checker.setMembers(
      members.map((member) => {
        const path = config.health.path ?? '/';
        const onAnswer = ({ maxConnections }: ServiceOptions): void =>
          this.#limits.record(member, path, maxConnections);
        return { ...member, probe: this.#talk.createProbe(member, onAnswer) };
      }),
    );
    onMembers(members);
    this.#directory?.setMembers(members.map((member) => ({ ...member, ask: this.#talk.createAsk(member) })));
    this.#tellDoubts();
  }

  /** Who fails under an address may have got another one, long before the TTL of the name is over. */
  #tellDoubts(): void {
    const failing = this.status().filter(({ state }) => state === 'down' || state === 'ejected');
    const names = new Set(failing.map(({ backend }) => backend));
    for (const backend of this.#options.config.backends) this.#membership?.setDoubt(backend, names.has(backend.name));
  }

  /** Until the backends have been asked anew, what they said under the configuration before holds. */
  #withInherited(paths: readonly PathOptions[]): readonly PathOptions[] {
    if (this.#directory === undefined || this.#inherited.length === 0) return paths;
    const known = new Set(paths.map(({ path }) => path));
    const own = new Map(this.#members.map((member) => [nameOf(member), member]));
    const inherited = this.#inherited.filter(({ path }) => !known.has(path));
    return [...paths, ...inherited.flatMap((named) => ofMembers(named, own))];
  }

  #slotsOf(backend: string): readonly number[] {
    return this.#members.filter(({ backendName }) => backendName === backend).map(({ slot }) => slot);
  }

  #createDirectory(): OptionsDirectory {
    const { config, log, onOptions } = this.#options;
    return new OptionsDirectory({
      paths: knownPaths(config),
      timeoutMs: config.health.timeoutMs,
      retryMs: config.health.intervalMs,
      onPaths: (paths) => onOptions(this.#withInherited(paths)),
      onOptions: (slot, path, options) => {
        const member = this.#members.find((each) => each.slot === slot);
        if (member !== undefined) this.#limits.record(member, path, options?.maxConnections);
      },
      onIgnored: (path) => log.log('icap-path-ignored', { service: config.name, path }),
    });
  }

  #stateChanged({ slot, backend, address, from, to, reason }: StateChange): void {
    const { config, log } = this.#options;
    log.log('backend-state', { service: config.name, backend, address, from, to, reason });
    this.#tellDoubts();
    if (to === 'maint') this.#directory?.hold(slot);
    else if (to === 'up' || from === 'maint') this.#directory?.refresh(slot);
  }

  #tellAddresses({ name, address }: BackendConfig, members: readonly AddressedMember[], log: Logger): void {
    const of = (all: readonly AddressedMember[]): string[] =>
      all.filter(({ backendName }) => backendName === name).map(({ addressText }) => addressText);
    const [before, addresses] = [of(this.#members), of(members)];
    if (isFixed(address) || before.join() === addresses.join()) return;
    log.log('backend-addresses', { service: this.#options.config.name, backend: name, addresses });
  }
}

/** Who a member is under any configuration. */
function nameOf({ backendName, addressText }: Pick<AddressedMember, 'backendName' | 'addressText'>): string {
  return `${backendName} ${addressText}`;
}

/** A path as the members of this pool know it; nothing where none of them was there before. */
function ofMembers({ path, members }: NamedPath, own: ReadonlyMap<string, AddressedMember>): PathOptions[] {
  const found = members.flatMap(({ name, options }) => {
    const member = own.get(name);
    return member === undefined ? [] : [{ ...options, slot: member.slot, backend: member.backend }];
  });
  return found.length === 0 ? [] : [{ path, members: found }];
}
