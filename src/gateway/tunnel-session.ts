import { TLSSocket } from 'node:tls';
import { tlsSideOf } from '../config/tls-side.ts';
import type { AddressedMember } from '../health/membership.ts';
import type { Program } from '../net/program.ts';
import { Relay, type RelayEnd } from '../net/relay.ts';
import type { ConnectionEntry } from '../observe/connection-entry.ts';
import type { CloseReason, HandshakeFailure } from '../observe/labels.ts';
import { BackendSearch, type ConnectedBackend, type FailedSearch } from './backend-search.ts';
import { ByteTally } from './byte-tally.ts';
import type { Client } from './client.ts';
import type { ServiceContext } from './context.ts';
import { programFacts } from './program-facts.ts';
import type { CutReason, Session, SessionOptions } from './session.ts';
import { tunnelAccess } from './tunnel-access.ts';

export interface TunnelSessionOptions extends SessionOptions {
  /** What takes over the client of this session, which fails verification, and ends the session; undefined: nobody does. */
  readonly onUnverified: (session: TunnelSession) => (() => void) | undefined;
}

/**
 * One admitted connection of a tunnel service, to its end: the client's entry, search for a backend, relay. It tells
 * counters and logs what became of them.
 */
export class TunnelSession implements Session {
  readonly client: Client;
  readonly #service: ServiceContext;
  readonly #onGone: (session: Session) => void;
  readonly #onUnverified: TunnelSessionOptions['onUnverified'];
  #search: BackendSearch | undefined;
  #member: AddressedMember | undefined;
  #relay: Relay | undefined;
  #connection: ConnectedBackend | undefined;
  /** What was wrong with TLS to the last backend that was tried. */
  #refusal: HandshakeFailure | undefined;
  readonly #tally: ByteTally = new ByteTally();
  #activeMs = 0;
  /** Both of its sockets are closed. A program may still be at work, and keeps its places until it has ended. */
  #isRelayed = false;
  #isOver = false;

  constructor({ service, client, onGone, onUnverified }: TunnelSessionOptions) {
    this.#service = service;
    this.#onUnverified = onUnverified;
    this.client = client;
    this.#onGone = onGone;
  }

  start(): void {
    this.client.open({
      onReady: () => this.#findBackend(),
      onRefused: () => this.#refused(),
      onUnverified: () => this.#redirected(),
    });
  }

  /** Ends an idle relay and tells the counters what moved since the last call. */
  sweep(nowMs: number): void {
    const relay = this.#relay;
    if (relay === undefined) return;
    if (this.#tellBytes(relay)) this.#activeMs = nowMs;
    if (nowMs - this.#activeMs < this.#service.config.timeouts.idleMs) return;
    // Also once a side has finished: with no close timeout nothing else bounds a peer that stopped reading.
    if (!this.#isRelayed) relay.cut('idle-timeout');
    else this.#connection?.program?.stop();
  }

  /** A tunnel does not know where a message ends: it waits for one of its sides to finish. */
  drain(): void {}

  reconsider(service: ServiceContext): void {
    this.client.trustChanged(service);
    if (this.client.isWithdrawn(service)) this.cut('trust-withdrawn');
  }

  /** Ends the session now, whatever it is doing. */
  cut(reason: CutReason): void {
    if (this.#relay === undefined) this.#close(reason);
    else if (!this.#isRelayed) this.#relay.cut(reason);
    this.#connection?.program?.stop();
  }

  describe(): ConnectionEntry {
    const { bytesIn = 0, bytesOut = 0 } = this.#relay ?? {};
    const activity = this.#relay !== undefined ? 'tunnel' : this.#search !== undefined ? 'connecting' : 'handshake';
    return { ...this.client.describe(), backend: this.#member?.backendName ?? null, activity, bytesIn, bytesOut };
  }

  #refused(): void {
    this.#isOver = true;
    this.client.release();
    this.#onGone(this);
  }

  /** The client is not to get to the backends; another service may have it. */
  #redirected(): (() => void) | undefined {
    const redirect = this.#onUnverified(this);
    if (redirect === undefined) return undefined;
    return () => {
      this.#isOver = true;
      redirect();
    };
  }

  #findBackend(): void {
    const { socket, copiesWrites, peer } = this.client;
    socket.on('close', this.#clientGone);
    if (socket.destroyed) {
      this.#clientGone();
      return;
    }
    const relay = new Relay({
      client: socket,
      clientCopies: copiesWrites,
      closeMs: this.#service.config.timeouts.closeMs,
      cutClient: () => this.client.cut(),
      cutBackend: () => this.#cutBackend(),
      onEnd: (end: RelayEnd) => this.#relayEnded(end),
    });
    this.#search = new BackendSearch(this.#service, peer, {
      onConnect: (connected) => this.#connected(relay, connected),
      onFailure: (member, failed) => this.#backendFailed(member, failed),
      onNobody: () => this.#nobody(),
      // A socket in clear may keep what it is given to write, so each of its chunks needs memory of its own.
      onData: copiesWrites ? (chunk) => relay.fromBackend(chunk) : undefined,
      facts: () => programFacts(peer, this.client.shownCertificate),
    });
    this.#search.start();
  }

  #connected(relay: Relay, connected: ConnectedBackend): void {
    const { socket, member, program } = connected;
    const { events, identities } = this.#service;
    const identity = identities[member.backend];
    this.client.socket.off('close', this.#clientGone);
    this.#search = undefined;
    this.#member = member;
    this.#connection = connected;
    this.#relay = relay;
    this.#activeMs = performance.now();
    if (program !== undefined) this.#follow(program, member);
    else if (events.isEnabled('backend-connected')) {
      const local = `${socket.localAddress ?? 'unix'}:${socket.localPort ?? 0}`;
      const { backendName: backend, addressText: address } = member;
      const tls = socket instanceof TLSSocket ? identity?.describe(socket) : undefined;
      events.log('backend-connected', { ...this.client.names(), backend, address, local, ...tls });
    }
    const hasOwnReader = !this.client.copiesWrites || identity !== undefined;
    relay.start(socket, hasOwnReader ? 'events' : 'callback', program === undefined ? 'connection' : 'program');
  }

  #follow(program: Program, { backendName: backend }: AddressedMember): void {
    const { events } = this.#service;
    const names = { ...this.client.names(), program: backend, pid: program.pid };
    events.log('program-started', names);
    program.whenEnded((end) => events.log('program-ended', { ...names, ...end }));
  }

  /** With RST, so that the backend cannot take what it got for all there was. */
  #cutBackend(): void {
    if (this.#connection === undefined) return;
    const { socket, raw, member } = this.#connection;
    // As for the client: a reset while a FIN is on the way would leave the socket open for ever.
    const isFinishing = socket.writableEnded && !socket.writableFinished;
    const { reset } = this.#service.config.sockets;
    if (reset && !isFinishing && member.address.kind === 'tcp') raw.resetAndDestroy();
    socket.destroy();
  }

  #backendFailed(member: AddressedMember, { reason, detail, refusal, next }: FailedSearch): void {
    const { backendName: backend, addressText: address } = member;
    this.#refusal = refusal?.reason;
    const tls = refusal && { tls: refusal.reason, tlsDetail: refusal.detail, subject: refusal.subject };
    const failure = { backend, address, reason, detail, next, ...tls };
    this.#service.events.log('backend-failed', { ...this.client.names(), ...failure });
  }

  #nobody(): void {
    this.#service.events.log('no-backend', { ...this.client.names(), tls: this.#refusal });
    this.#close('no-backend');
  }

  /** The client left while a backend was looked for. */
  readonly #clientGone = (): void => this.#close('client-reset');

  #close(reason: CloseReason): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.client.socket.off('close', this.#clientGone);
    this.#search?.abandon();
    this.client.cut();
    this.#closed(reason);
  }

  #relayEnded(end: RelayEnd): void {
    const program = this.#connection?.program;
    this.#isRelayed = true;
    this.#activeMs = performance.now();
    if (program === undefined) this.#closed(end);
    else program.whenEnded(() => this.#closed(end));
  }

  #closed(reason: CloseReason): void {
    const { counters, index, pool, worker, events } = this.#service;
    if (this.#member !== undefined) pool.release(this.#member.slot, worker);
    counters.connectionClosed(index, reason);
    if (this.#relay !== undefined) this.#tellBytes(this.#relay);
    const tls = this.#relay?.tlsFailure === undefined ? this.#refusalOf(reason) : this.#tellBrokenTls();
    if (events.isEnabled('connection-closed')) {
      const { bytesIn = 0, bytesOut = 0 } = this.#relay ?? {};
      const backend = this.#member?.backendName;
      const { ms } = this.client;
      const side = tlsSideOf(this.#service.config);
      events.log('connection-closed', { ...this.client.names(), backend, reason, bytesIn, bytesOut, ms, side, tls });
    }
    this.#over(reason);
  }

  #refusalOf(reason: CloseReason): HandshakeFailure | undefined {
    return reason === 'no-backend' ? this.#refusal : undefined;
  }

  #tellBrokenTls(): HandshakeFailure {
    const { backendName: backend = '', addressText: address = '' } = this.#member ?? {};
    const detail = this.#relay?.tlsFailure ?? '';
    this.#service.events.log('backend-tls-broken', { ...this.client.names(), backend, address, detail });
    return 'protocol';
  }

  #over(reason: CloseReason): void {
    this.#isOver = true;
    this.client.release();
    const { events } = this.#service;
    if (events.accessEnabled) {
      const { bytesIn = 0, bytesOut = 0 } = this.#relay ?? {};
      events.access(tunnelAccess(this.client, { backend: this.#member?.backendName, bytesIn, bytesOut, reason }));
    }
    this.#onGone(this);
  }

  /** Returns whether anything moved since the last call. */
  #tellBytes({ bytesIn, bytesOut }: Relay): boolean {
    return this.#tally.tell(this.#service, bytesIn, bytesOut);
  }
}
