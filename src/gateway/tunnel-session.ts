import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { AddressedMember } from '../health/membership.ts';
import { Relay, type RelayEnd } from '../net/relay.ts';
import type { CloseReason, HandshakeVersion } from '../observe/labels.ts';
import { sha256Hex } from '../tls/certificate.ts';
import { nameFromLines } from '../tls/distinguished-name.ts';
import { type HandshakeProblem, problemOfError } from '../tls/handshake-failure.ts';
import { beginHandshake, finishHandshake } from '../tls/server-handshake.ts';
import type { Admission } from './admission.ts';
import { type BackendFailure, BackendSearch } from './backend-search.ts';
import type { ClientTls, ServiceContext } from './context.ts';
import type { Peer } from './peer.ts';

/**
 * One admitted connection of a tunnel service, to its end: TLS handshake, judgement, search for a backend, relay. It owns
 * the socket and the admission, and tells counters and logs what became of them.
 */
export class TunnelSession {
  readonly #service: ServiceContext;
  readonly #raw: Socket;
  readonly #peer: Peer;
  readonly #admission: Admission;
  readonly #onGone: (session: TunnelSession) => void;
  readonly #id: number;
  readonly #startedMs: number = performance.now();
  #deadline: NodeJS.Timeout | undefined;
  /** The TLS socket, or the raw one where there is no TLS. */
  #client: Socket;
  #version: HandshakeVersion | undefined;
  #certificate: X509Certificate | undefined;
  #search: BackendSearch | undefined;
  #member: AddressedMember | undefined;
  #relay: Relay | undefined;
  #bytesInTold = 0;
  #bytesOutTold = 0;
  #activeMs = 0;
  #isOver = false;

  constructor(options: {
    readonly service: ServiceContext;
    readonly socket: Socket;
    readonly peer: Peer;
    readonly admission: Admission;
    readonly onGone: (session: TunnelSession) => void;
  }) {
    this.#service = options.service;
    this.#raw = options.socket;
    this.#client = options.socket;
    this.#peer = options.peer;
    this.#admission = options.admission;
    this.#onGone = options.onGone;
    this.#id = options.service.nextConnectionId();
  }

  start(): void {
    const { config, index, counters, events, tls } = this.#service;
    counters.connectionAccepted(index);
    if (events.isEnabled('connection-accepted')) events.log('connection-accepted', this.#names());
    if (tls === undefined) {
      this.#raw.on('close', this.#clientGone);
      this.#findBackend();
      return;
    }
    const { handshakeMs } = config.timeouts;
    if (Number.isFinite(handshakeMs)) this.#deadline = setTimeout(this.#handshakeLate, handshakeMs);
    this.#shakeHands(tls);
  }

  /** Ends an idle relay and tells the counters what moved since the last call. */
  sweep(nowMs: number): void {
    const relay = this.#relay;
    if (relay === undefined) return;
    if (this.#tellBytes(relay)) this.#activeMs = nowMs;
    // Also once a side has finished: with no close timeout nothing else bounds a peer that stopped reading.
    if (nowMs - this.#activeMs >= this.#service.config.timeouts.idleMs) relay.cut('idle-timeout');
  }

  /** Ends the session now, whatever it is doing: the drain's deadline is over. */
  cut(): void {
    if (this.#relay !== undefined) this.#relay.cut('drain');
    else this.#close('drain');
  }

  #shakeHands(tls: ClientTls): void {
    const isAsked = tls.auth.isAsking;
    const isRequired = this.#service.config.tls?.clientAuth.mode === 'require';
    const client = beginHandshake(this.#raw, tls.context, { isAsked, isRequired });
    this.#client = client;
    client.on('error', this.#handshakeError);
    client.on('end', this.#handshakeEnd);
    client.on('close', this.#handshakeEnd);
    client.once('secure', () => this.#handshakeDone(client, tls));
  }

  #handshakeDone(client: TLSSocket, tls: ClientTls): void {
    clearTimeout(this.#deadline);
    client.off('error', this.#handshakeError);
    client.off('end', this.#handshakeEnd);
    client.off('close', this.#handshakeEnd);
    client.on('error', ignore);
    const verifyCode = finishHandshake(client);
    this.#version = client.getProtocol() as HandshakeVersion;
    const { counters, index, events } = this.#service;
    const resumed = client.isSessionReused();
    const isSettled = tls.auth.isSettled(verifyCode, resumed);
    const isTold = events.accessEnabled || events.isEnabled('handshake-done');
    if (tls.auth.isAsking && (isTold || !isSettled)) this.#certificate = client.getPeerX509Certificate();
    const evidence = { verifyCode, certificate: this.#certificate };
    const problem = isSettled ? undefined : tls.auth.judge(evidence, Date.now());
    if (problem !== undefined) {
      this.#handshakeFailed(problem);
      return;
    }
    const seconds = (performance.now() - this.#startedMs) / 1000;
    counters.handshakeDone(index, this.#version, resumed, seconds);
    if (events.isEnabled('handshake-done')) {
      const cipher = client.getCipher().name;
      events.log('handshake-done', { ...this.#names(), version: this.#version, cipher, resumed, ...this.#identity() });
    }
    client.on('close', this.#clientGone);
    this.#findBackend();
  }

  readonly #handshakeLate = (): void => {
    const { handshakeMs } = this.#service.config.timeouts;
    this.#handshakeFailed({ reason: 'timeout', detail: `not finished within ${handshakeMs} ms` });
  };

  readonly #handshakeError = (error: Error): void => this.#handshakeFailed(problemOfError(error));

  readonly #handshakeEnd = (): void =>
    this.#handshakeFailed({ reason: 'closed', detail: 'the client closed the connection during the handshake' });

  #handshakeFailed({ reason, detail }: HandshakeProblem): void {
    if (this.#isOver) return;
    // Cutting the client tells its listeners at once, who must not end the session a second time.
    this.#isOver = true;
    const { counters, index, events } = this.#service;
    counters.handshakeFailed(index, reason);
    events.log('handshake-failed', { ...this.#names(), reason, detail, ...this.#identity() });
    if (reason === 'timeout') this.#cutClient();
    else this.#discardClient();
    this.#over(`tls-${reason}`);
  }

  #findBackend(): void {
    const clientCopies = this.#client !== this.#raw;
    const relay = new Relay({
      client: this.#client,
      clientCopies,
      closeMs: this.#service.config.timeouts.closeMs,
      cutClient: () => this.#cutClient(),
      onEnd: (end: RelayEnd) => this.#closed(end),
    });
    this.#search = new BackendSearch(this.#service, this.#peer, {
      onConnect: (socket, member) => this.#connected(relay, socket, member),
      onFailure: (member, reason, detail, next) => this.#backendFailed(member, reason, detail, next),
      onNobody: () => this.#nobody(),
      // A socket in clear may keep what it is given to write, so each of its chunks needs memory of its own.
      onData: clientCopies ? (chunk) => relay.fromBackend(chunk) : undefined,
    });
    this.#search.start();
  }

  #connected(relay: Relay, socket: Socket, member: AddressedMember): void {
    const { events, identities } = this.#service;
    this.#client.off('close', this.#clientGone);
    this.#search = undefined;
    this.#member = member;
    this.#relay = relay;
    this.#activeMs = performance.now();
    if (events.isEnabled('backend-connected')) {
      const local = `${socket.localAddress ?? 'unix'}:${socket.localPort ?? 0}`;
      const { backendName: backend, addressText: address } = member;
      events.log('backend-connected', { ...this.#names(), backend, address, local });
    }
    const hasOwnReader = this.#client === this.#raw || identities[member.backend] !== undefined;
    relay.start(socket, hasOwnReader ? 'events' : 'callback');
  }

  #backendFailed(member: AddressedMember, reason: BackendFailure, detail: string, next: boolean): void {
    const { backendName: backend, addressText: address } = member;
    this.#service.events.log('backend-failed', { ...this.#names(), backend, address, reason, detail, next });
  }

  #nobody(): void {
    this.#service.events.log('no-backend', this.#names());
    this.#close('no-backend');
  }

  /** The client left while a backend was looked for. */
  readonly #clientGone = (): void => this.#close('client-reset');

  #close(reason: CloseReason): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#client.off('close', this.#clientGone);
    this.#search?.abandon();
    this.#cutClient();
    this.#closed(reason);
  }

  #closed(reason: CloseReason): void {
    const { counters, index, pool, worker, events } = this.#service;
    if (this.#member !== undefined) pool.release(this.#member.slot, worker);
    counters.connectionClosed(index, reason);
    if (this.#relay !== undefined) this.#tellBytes(this.#relay);
    if (events.isEnabled('connection-closed')) {
      const { bytesIn = 0, bytesOut = 0 } = this.#relay ?? {};
      const backend = this.#member?.backendName;
      events.log('connection-closed', { ...this.#names(), backend, reason, bytesIn, bytesOut, ms: this.#ms() });
    }
    this.#over(reason);
  }

  #over(reason: CloseReason | `tls-${HandshakeProblem['reason']}`): void {
    this.#isOver = true;
    clearTimeout(this.#deadline);
    this.#admission.release();
    const { events, config } = this.#service;
    if (events.accessEnabled) {
      events.access({
        timeMs: Date.now(),
        service: config.name,
        client: this.#peer.text,
        tls: this.#version,
        subject: this.#identity().subject,
        backend: this.#member?.backendName,
        bytesIn: this.#relay?.bytesIn ?? 0,
        bytesOut: this.#relay?.bytesOut ?? 0,
        ms: this.#ms(),
        reason,
      });
    }
    this.#onGone(this);
  }

  /** Returns whether anything moved since the last call. */
  #tellBytes({ bytesIn, bytesOut }: Relay): boolean {
    if (bytesIn === this.#bytesInTold && bytesOut === this.#bytesOutTold) return false;
    const { counters, index } = this.#service;
    counters.bytes(index, bytesIn - this.#bytesInTold, bytesOut - this.#bytesOutTold);
    this.#bytesInTold = bytesIn;
    this.#bytesOutTold = bytesOut;
    return true;
  }

  /** With RST, so that the client cannot take it for an orderly end. */
  #cutClient(): void {
    const { writableEnded, writableFinished } = this.#client;
    // libuv refuses to reset while its FIN is on the way, and Node then never closes the socket (seen with 26.10).
    const isFinishing = writableEnded && !writableFinished;
    const { reset } = this.#service.config.sockets;
    if (reset && !isFinishing && this.#peer.address !== undefined) this.#raw.resetAndDestroy();
    this.#discardClient();
  }

  #discardClient(): void {
    this.#client.on('error', ignore);
    this.#client.destroy();
  }

  #names(): { readonly service: string; readonly connection: number; readonly client: string } {
    return { service: this.#service.config.name, connection: this.#id, client: this.#peer.text };
  }

  #identity(): { readonly subject?: string; readonly fingerprint?: string } {
    if (this.#certificate === undefined) return {};
    return { subject: nameFromLines(this.#certificate.subject), fingerprint: sha256Hex(this.#certificate.raw) };
  }

  #ms(): number {
    return Math.round(performance.now() - this.#startedMs);
  }
}

/** What breaks after the end was told, or is told by `close` anyway. */
function ignore(): void {}
