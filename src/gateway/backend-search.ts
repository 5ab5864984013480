import type { Socket } from 'node:net';
import type { UpstreamError } from '../errors.ts';
import type { AddressedMember } from '../health/membership.ts';
import { type BackendRefusal, dial } from '../net/dialer.ts';
import type { Program } from '../net/program.ts';
import { serializeProxyV1 } from '../net/proxy-protocol/proxy-v1.ts';
import { serializeProxyV2 } from '../net/proxy-protocol/proxy-v2.ts';
import type { BackendResult } from '../observe/labels.ts';
import type { ServiceContext } from './context.ts';
import type { Peer } from './peer.ts';

export type BackendFailure = Exclude<BackendResult, 'connected'>;

/** A connection to a member. */
export interface ConnectedBackend {
  readonly member: AddressedMember;
  readonly socket: Socket;
  /** What is below its TLS, else itself. */
  readonly raw: Socket;
  /** What is at the other end, where the member is a program; it may outlive its socket. */
  readonly program: Program | undefined;
}

/** Why a member could not be connected. */
export interface FailedSearch {
  readonly reason: BackendFailure;
  readonly detail: string;
  /** What was wrong with TLS, where that was it. */
  readonly refusal: BackendRefusal | undefined;
  /** Whether another one is tried. */
  readonly next: boolean;
}

export interface BackendSearchHandlers {
  /** The member stays acquired: the caller releases its slot. */
  readonly onConnect: (connected: ConnectedBackend) => void;
  /** Told for each member that failed. */
  readonly onFailure: (member: AddressedMember, failed: FailedSearch) => void;
  /** Nobody is left to try. */
  readonly onNobody: () => void;
  /** Bytes read into the shared buffer; false pauses. */
  readonly onData: ((chunk: Buffer) => boolean) | undefined;
  /** Whom a program that is a member is to know of, as variables of its environment. */
  readonly facts: () => Readonly<Record<string, string>>;
}

/**
 * One buffer for the reads of all connections of this thread: a read is dealt with before the next one begins. It is as
 * large as the piece libuv asks the kernel for.
 */
const SHARED_BUFFER: Buffer = Buffer.allocUnsafeSlow(64 * 1024);

const FAILURE_OF_CODE: Readonly<Record<string, BackendFailure>> = {
  ECONNREFUSED: 'refused',
  ENOENT: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  // This machine ran out of something: no backend is to blame.
  EAGAIN: 'local',
  EMFILE: 'local',
  ENFILE: 'local',
  ENOBUFS: 'local',
  ENOMEM: 'local',
  EADDRNOTAVAIL: 'local',
};

/** Looks for a backend that takes one client: each member once, in the order of the policy. */
export class BackendSearch {
  readonly #service: ServiceContext;
  readonly #peer: Peer;
  readonly #handlers: BackendSearchHandlers;
  readonly #tried: Set<number> = new Set();
  #abandonDial: (() => void) | undefined;
  #held: AddressedMember | undefined;

  constructor(service: ServiceContext, peer: Peer, handlers: BackendSearchHandlers) {
    this.#service = service;
    this.#peer = peer;
    this.#handlers = handlers;
  }

  start(): void {
    const picked = this.#pick();
    if (picked === undefined) this.#handlers.onNobody();
    else this.#dial(picked);
  }

  /** The client has gone: gives everything back and says nothing more. */
  abandon(): void {
    this.#abandonDial?.();
    if (this.#held !== undefined) this.#service.pool.release(this.#held.slot, this.#service.worker);
    this.#held = undefined;
  }

  #pick(): AddressedMember | undefined {
    const { selector, counters, index } = this.#service;
    const picked = selector.pick({ hashKey: this.#peer.address ?? '', tried: this.#tried, random: Math.random });
    // A client of the tunnel does not wait for a place: it would keep a connection that says nothing.
    if (picked === undefined || picked === 'full') {
      this.#held = undefined;
      return undefined;
    }
    if (picked.lastResort) counters.lastResort(index);
    this.#held = picked.member;
    return picked.member;
  }

  #dial(member: AddressedMember): void {
    const { config, identities, awake } = this.#service;
    const { onData, facts } = this.#handlers;
    this.#abandonDial = dial(
      {
        address: member.address,
        addressText: member.addressText,
        timeoutMs: config.timeouts.connectMs,
        handshakeTimeoutMs: config.timeouts.handshakeMs,
        noDelay: config.sockets.backendNoDelay,
        keepAliveMs: config.sockets.keepAliveMs,
        localAddress: config.sockets.localAddress,
        preamble: this.#preamble(),
        identity: identities[member.backend],
        hostName: member.hostName,
        launch: () => ({ facts: facts(), awake }),
        onread:
          onData === undefined
            ? undefined
            : { buffer: SHARED_BUFFER, callback: (count) => onData(SHARED_BUFFER.subarray(0, count)) },
      },
      {
        onConnect: (socket, raw, program) => this.#connected({ member, socket, raw, program }),
        onFail: (error, refusal) => this.#failed(error, refusal, member),
      },
    );
  }

  #connected(connected: ConnectedBackend): void {
    const { pool, counters, index } = this.#service;
    this.#held = undefined;
    pool.recordSuccess(connected.member.slot);
    counters.backendAttempt(index, connected.member.backend, 'connected');
    this.#handlers.onConnect(connected);
  }

  #failed(error: UpstreamError, refusal: BackendRefusal | undefined, member: AddressedMember): void {
    const { pool, counters, index, worker, config, onFailures } = this.#service;
    const reason = failureOf(error);
    counters.backendAttempt(index, member.backend, reason);
    pool.release(member.slot, worker);
    if (reason === 'local') {
      this.#held = undefined;
      this.#handlers.onFailure(member, { reason, detail: error.message, refusal, next: false });
      this.#handlers.onNobody();
      return;
    }
    this.#tried.add(member.slot);
    const streak = pool.recordFailure(member.slot);
    const { consecutiveFailures } = config.outliers;
    if (consecutiveFailures > 0 && streak >= consecutiveFailures) onFailures(member.slot);
    const next = this.#pick();
    this.#handlers.onFailure(member, { reason, detail: error.message, refusal, next: next !== undefined });
    if (next === undefined) this.#handlers.onNobody();
    else this.#dial(next);
  }

  #preamble(): Buffer | undefined {
    const { send } = this.#service.config.proxyProtocol;
    if (send === 'off') return undefined;
    return send === 'v1' ? serializeProxyV1(this.#peer.endpoints) : serializeProxyV2(this.#peer.endpoints);
  }
}

export function failureOf(error: UpstreamError): BackendFailure {
  if (error.code === 'ICAPGW_UPSTREAM_CONNECT_TIMEOUT') return 'timeout';
  if (error.code === 'ICAPGW_UPSTREAM_HANDSHAKE') return 'tls';
  const { cause } = error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return FAILURE_OF_CODE[code] ?? 'error';
}
