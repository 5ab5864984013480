import type { Socket } from 'node:net';
import { formatAddress } from '../config/address.ts';
import type { Address } from '../config/config.ts';
import type { PathOptions } from '../health/path-options.ts';
import { type Listener, type ListenerOwner, startListener } from '../net/listener.ts';
import { ProgramListener } from '../net/program-listener.ts';
import { openStdioListener } from '../net/stdio-listener.ts';
import type { ConnectionEntry } from '../observe/connection-entry.ts';
import type { NameEntry } from '../policy/name-table.ts';
import { Client } from './client.ts';
import type { ServiceContext } from './context.ts';
import { Entrance } from './entrance.ts';
import { createIcapContext, type IcapContext } from './icap/icap-context.ts';
import { IcapSession } from './icap/icap-session.ts';
import { OwnPrograms } from './own-programs.ts';
import type { CutReason, Session } from './session.ts';
import { TunnelSession } from './tunnel-session.ts';

const LONGEST_SWEEP_MS = 1000;
const SHORTEST_SWEEP_MS = 5;

/** One service in one worker: its listeners and its sessions. */
export class Service implements AsyncDisposable {
  #context: ServiceContext;
  /** Undefined for a tunnel. */
  #icap: IcapContext | undefined;
  readonly #entrance: Entrance;
  /** Has the clients that fail verification here; undefined: they are refused. */
  #redirect: Service | undefined;
  /** By the address really bound. */
  readonly #listeners: Map<string, Listener> = new Map();
  readonly #sessions: Set<Session> = new Set();
  readonly #programs: OwnPrograms = new OwnPrograms(() => this.#tellEmpty());
  #sweeper: NodeJS.Timeout;
  #onEmpty: (() => void) | undefined;

  constructor(context: ServiceContext) {
    this.#context = context;
    this.#icap = context.config.protocol === 'icap' ? createIcapContext(context) : undefined;
    this.#entrance = new Entrance(context, (arrival) => this.#begin(new Client(this.#context, arrival)));
    this.#sweeper = this.#startSweeper();
  }

  /**
   * Takes another configuration. Listeners stay as they are; what has begun is finished by the old rules, unless it is
   * the client's trust that was withdrawn. New connections, and new requests of old ones, go by the new rules.
   */
  update(context: ServiceContext): void {
    const { protocol } = context.config;
    const hasTrustChanged = this.#context.trustHash !== context.trustHash;
    this.#context = context;
    this.#icap?.connections[Symbol.dispose]();
    // Sessions of the other protocol may still be open, and ask for what they know.
    this.#icap = protocol === 'icap' || this.#icap !== undefined ? createIcapContext(context) : undefined;
    this.#entrance.update(context);
    clearInterval(this.#sweeper);
    this.#sweeper = this.#startSweeper();
    // To judge all sessions takes long enough to be noticed.
    if (hasTrustChanged) this.reconsider(context);
  }

  get name(): string {
    return this.#context.config.name;
  }

  /** Ends the sessions of clients that would not be let in by this, its own context or that of who took its place. */
  reconsider(context: ServiceContext): void {
    for (const session of [...this.#sessions]) session.reconsider(context);
  }

  /** The backends must prove who they are in another way from now on. */
  closeIdleBackends(): void {
    this.#icap?.connections.closeIdle();
  }

  #startSweeper(): NodeJS.Timeout {
    const { idleMs, requestHeaderMs, bodyIdleMs, responseMs, totalMs } = this.#context.config.timeouts;
    const limits = this.#icap === undefined ? [idleMs] : [idleMs, requestHeaderMs, bodyIdleMs, responseMs, totalMs];
    const intervalMs = Math.max(SHORTEST_SWEEP_MS, Math.min(LONGEST_SWEEP_MS, Math.min(...limits) / 4));
    return setInterval(() => this.#sweep(), intervalMs);
  }

  /** Starts to accept at one address; returns the one really bound. A program waits for `wake`. Throws `ICAPGW_LISTEN`. */
  async listen(address: Address, reusePort: boolean): Promise<Address> {
    const listener = await this.#openListener(address, reusePort);
    this.#listeners.set(formatAddress(listener.address), listener);
    return listener.address;
  }

  async #openListener(address: Address, reusePort: boolean): Promise<Listener> {
    const { clientNoDelay: noDelay, keepAliveMs, ipv6Only } = this.#context.config.sockets;
    const owner = this.#ownerOf(address);
    if (address.kind === 'stdio') {
      return await openStdioListener({ ...owner, onStart: (finished) => this.#programs.await(finished) });
    }
    if (address.kind !== 'exec') {
      return await startListener({ address, reusePort, ipv6Only, noDelay, keepAliveMs, ...owner });
    }
    return new ProgramListener({
      ...{ address, ...owner },
      restartMs: () => this.#context.config.execRestartMs,
      onStart: (program) => this.#programs.follow(program, this.#context),
    });
  }

  /** Starts the programs that are clients, unless they are running. */
  wake(): void {
    for (const listener of this.#listeners.values()) listener.wake?.();
  }

  /** Takes a listener over from another service, connections in its backlog included. */
  adopt(listener: Listener): void {
    listener.handOver(this.#ownerOf(listener.address));
    this.#listeners.set(formatAddress(listener.address), listener);
  }

  /** Gives up the listener at an address, for another service to adopt. */
  surrender(address: Address): Listener | undefined {
    const listener = this.#listeners.get(formatAddress(address));
    this.#listeners.delete(formatAddress(address));
    return listener;
  }

  #ownerOf(address: Address): ListenerOwner {
    const isNameless = (socket: Socket): boolean =>
      address.kind === 'stdio' ? socket.remoteAddress === undefined : address.kind !== 'tcp';
    return {
      onConnection: (socket) => this.#entrance.accept(socket, isNameless(socket)),
      onError: (error) => this.#acceptFailed(address, error),
    };
  }

  /** Where it accepts. */
  get addresses(): readonly Address[] {
    return [...this.#listeners.values()].map(({ address }) => address);
  }

  /** Whether it accepts at this address already. */
  isListening(address: Address): boolean {
    return this.#listeners.has(formatAddress(address));
  }

  /** Ends accepting at all other addresses than these. */
  async listenOnly(addresses: readonly Address[]): Promise<void> {
    const kept = new Set(addresses.map(formatAddress));
    const ended = [...this.#listeners].filter(([address]) => !kept.has(address));
    for (const [address] of ended) this.#listeners.delete(address);
    await Promise.all(ended.map(([, listener]) => listener[Symbol.asyncDispose]()));
  }

  /** Replaces the services that have no listeners of their own and get clients of this one, by the names they ask for. */
  setSecondaries(secondaries: readonly NameEntry<Service>[]): void {
    this.#entrance.setSecondaries(secondaries.map(({ patterns, value }) => ({ patterns, value: value.#entrance })));
  }

  /** Replaces the service that has the clients which fail verification here. */
  setRedirect(service: Service | undefined): void {
    this.#redirect = service;
  }

  /** Replaces what is known of the backends' paths. */
  setOptions(paths: readonly PathOptions[]): void {
    this.#icap?.options.set(paths);
  }

  /** Ends accepting. Resolves when the last session has ended by itself or was cut. */
  async drain(): Promise<void> {
    await this.listenOnly([]);
    this.#entrance.close();
    for (const session of [...this.#sessions]) session.drain();
    if (this.#isEmpty) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    await promise;
  }

  /** Ends every session now. Returns how many there were. */
  cut(): number {
    this.#programs.stop();
    return this.#cutAll([...this.#sessions], 'drain');
  }

  /** Ends the sessions of clients that are blocked; of these addresses only, where some are named. */
  cutBlocked(addresses?: ReadonlySet<string>): void {
    const { blocked } = this.#context;
    const isNamed = (address: string | undefined): boolean =>
      addresses === undefined || (address !== undefined && addresses.has(address));
    this.#cutAll(
      [...this.#sessions].filter(({ client: { peer } }) => isNamed(peer.address) && !blocked.admits(peer.address)),
      'blocked',
    );
  }

  /** The oldest sessions as they are now, at most so many. */
  describe(limit: number): ConnectionEntry[] {
    const entries: ConnectionEntry[] = [];
    for (const session of this.#sessions) {
      if (entries.length >= limit) break;
      entries.push(session.describe());
    }
    return entries;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const drained = this.drain();
    this.cut();
    await drained;
    clearInterval(this.#sweeper);
    this.#icap?.connections[Symbol.dispose]();
  }

  #acceptFailed(address: Address, error: Error): void {
    const { config, events } = this.#context;
    events.log('accept-failed', { service: config.name, address: formatAddress(address), detail: error.message });
  }

  #begin(client: Client): void {
    const service = this.#context;
    const onGone = (gone: Session): void => this.#gone(gone);
    const session =
      service.config.protocol === 'tunnel'
        ? new TunnelSession({ service, client, onGone, onUnverified: (unverified) => this.#turnAway(unverified) })
        : new IcapSession({ context: () => this.#icap as IcapContext, client, onGone });
    this.#sessions.add(session);
    session.start();
  }

  #turnAway(session: TunnelSession): (() => void) | undefined {
    const target = this.#redirect;
    if (target === undefined) return undefined;
    return () => {
      this.#gone(session);
      target.#receive(session.client);
    };
  }

  /** Takes a client that another service does not accept. */
  #receive(client: Client): void {
    const { counters, index, events, config } = this.#context;
    const refusal = client.redirect(this.#context, this.#entrance);
    if (refusal === undefined) {
      this.#begin(client);
      return;
    }
    if (refusal !== 'closed') {
      counters.connectionRejected(index, refusal);
      events.log('connection-rejected', { service: config.name, client: client.peer.text, reason: refusal });
    }
    client.cut();
    client.release();
  }

  #cutAll(sessions: readonly Session[], reason: CutReason): number {
    for (const session of sessions) session.cut(reason);
    return sessions.length;
  }

  #gone(session: Session): void {
    this.#sessions.delete(session);
    this.#tellEmpty();
  }

  get #isEmpty(): boolean {
    return this.#sessions.size === 0 && this.#programs.count === 0;
  }

  #tellEmpty(): void {
    if (this.#isEmpty) this.#onEmpty?.();
  }

  #sweep(): void {
    const nowMs = performance.now();
    this.#programs.sweep(nowMs, this.#context.config.timeouts.idleMs);
    for (const session of this.#sessions) session.sweep(nowMs);
    this.#icap?.options.forgetTags();
    this.#icap?.connections.sweep(nowMs);
    this.#icap?.ledger.recover();
  }
}
