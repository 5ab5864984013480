import type { Socket } from 'node:net';
import type { UpstreamError } from '../../errors.ts';
import type { AddressedMember } from '../../health/membership.ts';
import type { IcapLimits } from '../../icap/limits.ts';
import { dial } from '../../net/dialer.ts';
import type { ServiceContext } from '../context.ts';
import { BackendConnection } from './backend-connection.ts';

/** Below the 100 after which c-icap closes: up to here no backend is expected to hang up. */
const SAFE_REQUESTS = 90;
/** So that connections move on to where load balancers behind us want new ones. */
const MAX_REQUESTS = 1_000;
/** Below the keep-alive of any known backend. */
const MAX_IDLE_MS = 30_000;
/** An idle connection holds a thread of a c-icap; more than these are kept only while a burst lasts. */
const LASTING_IDLE = 32;
/** What a burst may pause. */
const BURST_IDLE_MS = 2_000;

/** One buffer for the reads of all backend connections of this thread; as large as what libuv asks the kernel for. */
const SHARED_BUFFER: Buffer = Buffer.allocUnsafeSlow(64 * 1024);

export interface ConnectHandlers {
  readonly onConnect: (connection: BackendConnection) => void;
  readonly onFail: (error: UpstreamError) => void;
}

/**
 * The connections of one worker to the backends of one service. Each holds a place of its slot in the pool state: an
 * `active` one while a transaction uses it, an `idle` one while it waits here.
 */
export class BackendConnections {
  readonly #service: ServiceContext;
  readonly #limits: IcapLimits;
  /** By slot; the last one was used last, and is taken first. */
  readonly #idle: Map<number, BackendConnection[]> = new Map();
  /** By slot: how many requests the backend that is there was seen to take before it hangs up. */
  readonly #lives: Map<number, { readonly key: string; readonly requests: number }> = new Map();
  #isDisposed = false;

  constructor(service: ServiceContext, limits: IcapLimits) {
    this.#service = service;
    this.#limits = limits;
  }

  /**
   * Takes an idle connection to the member, for whom the pool state has just made its idle place an active one.
   * `mayReplay`: the request is here as a whole, and will be kept, so that a connection whose end may be near does no harm.
   */
  takeIdle(member: AddressedMember, mayReplay: boolean): BackendConnection | undefined {
    const idle = this.#idle.get(member.slot) ?? [];
    const maxRequests = mayReplay ? this.#lifeOf(member) : SAFE_REQUESTS;
    const fit = idle.findLastIndex(
      // A name may lead elsewhere by now, and the slot with it.
      (connection) => connection.member.key === member.key && connection.requestCount < maxRequests,
    );
    if (fit !== -1) return idle.splice(fit, 1)[0];
    idle.shift()?.close();
    return undefined;
  }

  /** The backend hung up before it answered: connections to it end before they are as old, where this one was old at all. */
  hungUp({ member, requestCount }: BackendConnection): void {
    if (requestCount <= SAFE_REQUESTS) return;
    const requests = Math.min(this.#lifeOf(member), requestCount - 1);
    this.#lives.set(member.slot, { key: member.key, requests });
  }

  #lifeOf({ slot, key }: AddressedMember): number {
    const life = this.#lives.get(slot);
    return life?.key === key ? life.requests : MAX_REQUESTS;
  }

  /** Opens a connection for an active place that the caller holds and keeps. Returns a function that gives up. */
  open(member: AddressedMember, handlers: ConnectHandlers): () => void {
    const { config, identities } = this.#service;
    const identity = identities[member.backend];
    let connection: BackendConnection | undefined;
    return dial(
      {
        address: member.address,
        addressText: member.addressText,
        timeoutMs: config.timeouts.connectMs,
        handshakeTimeoutMs: config.timeouts.handshakeMs,
        noDelay: config.sockets.backendNoDelay,
        keepAliveMs: config.sockets.keepAliveMs,
        localAddress: config.sockets.localAddress,
        preamble: undefined,
        identity,
        hostName: member.hostName,
        onread: {
          buffer: SHARED_BUFFER,
          callback: (count) => connection?.receive(SHARED_BUFFER.subarray(0, count)) ?? false,
        },
      },
      {
        onConnect: (socket: Socket) => {
          connection = new BackendConnection({
            ...{ socket, member, identity, limits: this.#limits },
            onIdleLoss: (lost) => this.#idleLost(lost),
          });
          handlers.onConnect(connection);
        },
        onFail: handlers.onFail,
      },
    );
  }

  /**
   * Ends a transaction's use of a connection, and with it the active place. Returns whether the connection was kept,
   * with an idle place.
   */
  release(connection: BackendConnection): boolean {
    const { pool, worker } = this.#service;
    const { slot } = connection.member;
    if (!connection.endRequest()) {
      connection.destroy();
      pool.release(slot, worker);
      return false;
    }
    const idle = this.#idle.get(slot) ?? [];
    if (!this.#isOfUse(connection) || (idle.length >= LASTING_IDLE && !this.#hasRoom(slot))) {
      connection.close();
      pool.release(slot, worker);
      return false;
    }
    connection.idleSinceMs = performance.now();
    idle.push(connection);
    this.#idle.set(slot, idle);
    pool.giveIdle(slot, worker);
    return true;
  }

  /** Ends a connection that failed, and the active place. */
  discard(connection: BackendConnection): void {
    connection.destroy();
    this.#service.pool.release(connection.member.slot, this.#service.worker);
  }

  /** Closes what has been idle for too long, or leads to a slot that takes no traffic any more. */
  sweep(nowMs: number): void {
    const { pool } = this.#service;
    for (const [slot, connections] of this.#idle) {
      const isUp = pool.stateOf(slot) === 'up';
      // The oldest come first.
      const kept = connections.findIndex(({ idleSinceMs }, index) => {
        const isSurplus = connections.length - index > LASTING_IDLE;
        return isUp && nowMs - idleSinceMs <= (isSurplus ? BURST_IDLE_MS : MAX_IDLE_MS);
      });
      const old = connections.splice(0, kept === -1 ? connections.length : kept);
      for (const connection of old) this.#closeIdle(slot, connection);
    }
  }

  /** So many wait for a place, and not enough are free: what only holds one for later gives way. */
  yieldPlaces(wanted: number): void {
    const { pool } = this.#service;
    for (const [slot, connections] of this.#idle) {
      const limit = pool.limitOf(slot);
      if (limit === 0) continue;
      const free = limit - pool.activeOf(slot) - pool.idleOf(slot);
      for (const connection of connections.splice(0, Math.max(0, wanted - free))) this.#closeIdle(slot, connection);
    }
  }

  /** Whether connections may be kept for a burst: other workers must find places without having to ask for them. */
  #hasRoom(slot: number): boolean {
    const { pool } = this.#service;
    const limit = pool.limitOf(slot);
    return limit === 0 || 2 * (pool.activeOf(slot) + pool.idleOf(slot)) <= limit;
  }

  get idleCount(): number {
    let count = 0;
    for (const connections of this.#idle.values()) count += connections.length;
    return count;
  }

  /** Whether another transaction may use it, as things are now. */
  #isOfUse({ member, requestCount, identity }: BackendConnection): boolean {
    const { pool, identities } = this.#service;
    const isAsDialled = !this.#isDisposed && identity === identities[member.backend];
    return isAsDialled && requestCount < this.#lifeOf(member) && pool.stateOf(member.slot) === 'up';
  }

  /** Closes what is idle. Those in use go on, and are closed after it where the backend must be somebody else by then. */
  closeIdle(): void {
    for (const [slot, connections] of this.#idle) {
      for (const connection of connections.splice(0)) this.#closeIdle(slot, connection);
    }
  }

  /** Closes what is idle, and keeps none any more: nobody would look after it. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.closeIdle();
  }

  #closeIdle(slot: number, connection: BackendConnection | undefined): void {
    if (connection === undefined) return;
    connection.close();
    this.#service.pool.dropIdle(slot, this.#service.worker);
  }

  #idleLost(lost: BackendConnection): void {
    const { slot } = lost.member;
    const connections = this.#idle.get(slot);
    const index = connections?.indexOf(lost) ?? -1;
    if (index === -1) return;
    connections?.splice(index, 1);
    this.#service.pool.dropIdle(slot, this.#service.worker);
  }
}
