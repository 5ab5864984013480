import { PoolState } from '../balance/pool-state.ts';
import type { BackendConfig, ServiceConfig } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import { Checker, type MemberStatus } from '../health/checker.ts';
import { createProbe } from '../health/create-probe.ts';
import type { AdministrativeState } from '../health/member-watch.ts';
import { type AddressedMember, countSlots, type Membership, startMembership } from '../health/membership.ts';
import type { Probe } from '../health/probe.ts';
import type { Resolver } from '../health/resolver.ts';
import { type BackendIdentity, createBackendIdentity } from '../net/backend-identity.ts';
import { dialOnce } from '../net/dialer.ts';
import type { BackendStateLabel } from '../observe/labels.ts';
import type { Logger } from '../observe/logger.ts';
import type { BackendMaterial } from '../tls/backend-material.ts';

export interface PoolOptions {
  readonly config: ServiceConfig;
  readonly backendMaterial: readonly (BackendMaterial | undefined)[];
  readonly workers: number;
  readonly resolver: Resolver;
  readonly log: Logger;
  readonly onMembers: (members: readonly AddressedMember[]) => void;
  readonly onCheck: (backend: string, result: MemberResult, seconds: number) => void;
}

type MemberResult = Parameters<ConstructorParameters<typeof Checker>[0]['onCheck']>[0]['result'];

/** The worst first: what a backend with several addresses is in, when none of them is up. */
const STATE_ORDER: readonly BackendStateLabel[] = ['up', 'drain', 'ejected', 'down', 'maint'];

/** The control plane of one service's backends: their addresses, their health, the memory they share with workers. */
export class Pool implements Disposable {
  readonly state: PoolState;
  readonly #options: PoolOptions;
  readonly #checker: Checker;
  readonly #identities: readonly (BackendIdentity | undefined)[];
  #membership: Membership | undefined;
  #members: readonly AddressedMember[] = [];

  constructor(options: PoolOptions) {
    const { config, backendMaterial, workers, log } = options;
    this.#options = options;
    this.state = PoolState.create(countSlots(config.backends), workers);
    this.#identities = config.backends.map(({ address }, index) => {
      const material = backendMaterial[index];
      const host = address.kind === 'tcp' ? address.host : 'localhost';
      return material === undefined ? undefined : createBackendIdentity(material, host);
    });
    this.#checker = new Checker({
      state: this.state,
      settings: { ...config.health, ejectMs: config.outliers.ejectMs, slowStartMs: config.slowStartMs },
      outliers: config.outliers,
      random: Math.random,
      administrative: new Map<string, AdministrativeState>(),
      onStateChange: (change) => {
        const { backend, address, from, to, reason } = change;
        log.log('backend-state', { service: config.name, backend, address, from, to, reason });
      },
      onCheck: ({ backend, result, seconds }) => options.onCheck(backend, result, seconds),
    });
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
      onMembers: (members) => this.#setMembers(members),
      onIgnored: ({ name }, addresses) => {
        const detail = `more addresses than can be used; left out: ${addresses.join(', ')}`;
        log.log('resolve-failed', { service, backend: name, detail });
      },
      onResolveFailure: ({ name }, error) =>
        log.log('resolve-failed', { service, backend: name, detail: messageOf(error) }),
      onResolveRecovery: ({ name }) => log.log('resolve-recovered', { service, backend: name }),
    });
    await this.#membership.settled;
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
    return this.#members
      .filter(({ backendName }) => backendName === backend)
      .reduce((sum, { slot }) => sum + this.state.activeOf(slot), 0);
  }

  [Symbol.dispose](): void {
    this.#membership?.[Symbol.dispose]();
    this.#checker[Symbol.dispose]();
  }

  #setMembers(members: readonly AddressedMember[]): void {
    const { config, log, onMembers } = this.#options;
    for (const backend of config.backends) this.#tellAddresses(backend, members, log);
    this.#members = members;
    this.#checker.setMembers(members.map((member) => ({ ...member, probe: this.#createProbe(member) })));
    onMembers(members);
  }

  #tellAddresses({ name, address }: BackendConfig, members: readonly AddressedMember[], log: Logger): void {
    const of = (all: readonly AddressedMember[]): string[] =>
      all.filter(({ backendName }) => backendName === name).map(({ addressText }) => addressText);
    const [before, addresses] = [of(this.#members), of(members)];
    const isName = address.kind === 'tcp' && addresses[0] !== undefined && !addresses[0].includes(address.host);
    if (!isName || before.join() === addresses.join()) return;
    log.log('backend-addresses', { service: this.#options.config.name, backend: name, addresses });
  }

  #createProbe(member: AddressedMember): Probe | undefined {
    const { config } = this.#options;
    const { type, path } = config.health;
    if (type === 'none') return undefined;
    const backend = config.backends[member.backend];
    const { address } = backend ?? member;
    // What is asked for by name is asked by that name; a tcp probe is about the port alone.
    const identity = type === 'tcp' ? undefined : this.#identities[member.backend];
    return createProbe(type, {
      authority: address.kind === 'tcp' ? `${address.host}:${address.port}` : 'localhost',
      path,
      dial: (signal) =>
        dialOnce(
          {
            address: member.address,
            addressText: member.addressText,
            timeoutMs: Number.POSITIVE_INFINITY,
            noDelay: true,
            keepAliveMs: undefined,
            localAddress: config.sockets.localAddress,
            preamble: undefined,
            identity,
            onread: undefined,
          },
          signal,
        ),
    });
  }
}
