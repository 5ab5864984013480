import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ConnectionEntry } from '../observe/connection-entry.ts';
import type { HandshakeVersion, RejectReason } from '../observe/labels.ts';
import type { HandshakeFacts } from '../observe/log-event.ts';
import { sha256Hex } from '../tls/certificate.ts';
import { nameFromLines } from '../tls/distinguished-name.ts';
import { type HandshakeProblem, problemOfError } from '../tls/handshake-failure.ts';
import { judgeKey, type PskProof, pskProofOf } from '../tls/psk.ts';
import { beginHandshake, finishHandshake } from '../tls/server-handshake.ts';
import { isTrustWithdrawn } from '../tls/withdrawal.ts';
import type { Admission } from './admission.ts';
import type { ClientTls, ServiceContext } from './context.ts';
import type { Arrival, Entrance } from './entrance.ts';
import { judgeNaming } from './naming.ts';
import type { Peer } from './peer.ts';
import { tunnelAccess } from './tunnel-access.ts';

export interface ClientHandlers {
  /** The client is who it should be. Its socket has an error listener and is paused. */
  readonly onReady: () => void;
  /** Told once, instead; it is counted and logged, and the socket is gone. */
  readonly onRefused: () => void;
  /**
   * Asked about a client that fails verification, over a connection that is ready: what sends it elsewhere, and is called
   * in place of the other two; undefined: it is refused.
   */
  readonly onUnverified: () => (() => void) | undefined;
}

/**
 * One admitted connection of a client: TLS handshake, judgement, and who it is. It owns the socket and the admission
 * until `release`; what is said over the socket is the session's business.
 */
export class Client {
  readonly peer: Peer;
  readonly id: number;
  /** Whether `socket.write` copies what it is given before it returns, as TLS does when nothing waits before it. */
  readonly copiesWrites: boolean;
  /** The TLS socket, or the raw one where there is no TLS. */
  socket: Socket;
  version: HandshakeVersion | undefined;
  #service: ServiceContext;
  readonly #raw: Socket;
  #admission: Admission;
  readonly #startedMs: number;
  readonly #arrival: Pick<Arrival, 'naming' | 'problem'>;
  #handlers: ClientHandlers | undefined;
  #latest: ServiceContext | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #certificate: X509Certificate | undefined;
  #proof: PskProof | undefined;
  #requestCount = 0;
  #isRedirected = false;

  constructor(service: ServiceContext, { socket, peer, admission, startedMs, naming, problem }: Arrival) {
    this.#service = service;
    this.#raw = socket;
    this.#admission = admission;
    this.#startedMs = startedMs;
    this.#arrival = { naming, problem };
    this.socket = socket;
    this.peer = peer;
    this.id = service.nextConnectionId();
    this.copiesWrites = service.tls !== undefined;
  }

  /** Begins. In clear there is nothing to wait for, and `onReady` is called before it returns. */
  open(handlers: ClientHandlers): void {
    const { config, index, counters, tls } = this.#service;
    const { problem } = this.#arrival;
    counters.connectionAccepted(index);
    if (!this.#isRedirected) this.#tellAccepted();
    this.#handlers = handlers;
    if (problem !== undefined) {
      this.#refuse(problem, problem.reason === 'timeout' ? 'late' : 'failed');
      return;
    }
    if (tls === undefined) {
      handlers.onReady();
      return;
    }
    const { handshakeMs } = config.timeouts;
    const spentMs = performance.now() - this.#startedMs;
    if (Number.isFinite(handshakeMs)) this.#deadline = setTimeout(this.#handshakeLate, handshakeMs - spentMs);
    this.#shakeHands(tls);
  }

  /** Milliseconds since it was admitted. */
  get ms(): number {
    return Math.round(performance.now() - this.#startedMs);
  }

  /** The number of the next request over this connection, from 1. */
  countRequest(): number {
    this.#requestCount += 1;
    return this.#requestCount;
  }

  /** For events of the log. */
  names(): { readonly service: string; readonly connection: number; readonly client: string } {
    return { service: this.#service.config.name, connection: this.id, client: this.peer.text };
  }

  /** Who the certificate or the key says it is; nothing where none was shown, or nobody asked for it. */
  identity(): { readonly subject?: string; readonly fingerprint?: string } {
    if (this.#proof?.identity !== undefined) return { subject: this.#proof.identity };
    if (this.#certificate === undefined) return {};
    return { subject: nameFromLines(this.#certificate.subject), fingerprint: sha256Hex(this.#certificate.raw) };
  }

  /** What is known of the client, for a list of connections. */
  describe(): Pick<ConnectionEntry, 'connection' | 'service' | 'client' | 'ms' | 'tls' | 'subject'> {
    const { version = null } = this;
    const certificate = this.shownCertificate;
    const subject = certificate === undefined ? (this.#proof?.identity ?? null) : nameFromLines(certificate.subject);
    return { ...this.names(), ms: this.ms, tls: version, subject };
  }

  /** Whatever certificate it has shown, verified or not. */
  get shownCertificate(): X509Certificate | undefined {
    const { socket } = this;
    return this.#certificate ?? (socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined);
  }

  /** Ends the connection with RST, so that the client cannot take it for an orderly end. */
  cut(): void {
    this.#handlers = undefined;
    const { writableEnded, writableFinished } = this.socket;
    // libuv refuses to reset while its FIN is on the way, and Node then never closes the socket (seen with 26.10).
    const isFinishing = writableEnded && !writableFinished;
    const { reset } = this.#service.config.sockets;
    if (reset && !isFinishing && this.peer.address !== undefined) this.#raw.resetAndDestroy();
    this.#discard();
  }

  /** The service trusts others than when the handshake began. */
  trustChanged(service: ServiceContext): void {
    this.#latest = service;
  }

  /** Whether it would not be let in any more, by what the service trusts now. */
  isWithdrawn({ tls }: ServiceContext): boolean {
    if (tls === undefined || !(this.socket instanceof TLSSocket) || this.version === undefined) return false;
    return this.#proof?.isWithdrawn(tls.psk) ?? isTrustWithdrawn(this.socket, tls.auth, tls.trust);
  }

  /**
   * Goes over to the service for clients that fail verification, to be opened there anew: its handshake is behind it.
   * Returns why it may not, and has changed nothing then.
   */
  redirect(service: ServiceContext, entrance: Entrance): RejectReason | 'closed' | undefined {
    const admission = entrance.admitFrom(this.#admission) ?? 'closed';
    if (typeof admission === 'string') return admission;
    this.#admission = admission;
    this.#service = service;
    this.#isRedirected = true;
    return undefined;
  }

  #tellAccepted(): void {
    const { events } = this.#service;
    const { naming } = this.#arrival;
    if (events.isEnabled('connection-accepted')) {
      const asked = naming === undefined ? {} : { primary: naming.primary, serverName: naming.serverName };
      events.log('connection-accepted', { ...this.names(), ...asked });
    }
    if (naming?.serverName === undefined || naming.isKnown) return;
    events.log('server-name-unknown', { ...this.names(), serverName: naming.serverName });
  }

  /** Gives the admission back. Exactly once, when the connection is over. */
  release(): void {
    clearTimeout(this.#deadline);
    this.#handlers = undefined;
    this.#admission.release();
  }

  #shakeHands(tls: ClientTls): void {
    const isAsked = tls.auth.isAsking;
    const { mode, redirect } = this.#service.config.tls?.clientAuth ?? {};
    const isRequired = mode === 'require' && redirect?.length === 0;
    const socket = beginHandshake(this.#raw, tls, { isAsked, isRequired });
    this.socket = socket;
    socket.on('error', this.#handshakeError);
    socket.on('end', this.#handshakeEnd);
    socket.on('close', this.#handshakeEnd);
    socket.once('secure', () => this.#handshakeDone(socket, tls));
  }

  #handshakeDone(socket: TLSSocket, tls: ClientTls): void {
    clearTimeout(this.#deadline);
    socket.off('error', this.#handshakeError);
    socket.off('end', this.#handshakeEnd);
    socket.off('close', this.#handshakeEnd);
    socket.on('error', ignore);
    const verifyCode = finishHandshake(socket);
    const { counters, index, events } = this.#service;
    const version = socket.getProtocol() as HandshakeVersion;
    this.#proof = pskProofOf(socket, tls.psk);
    const isProved = this.#proof?.identity !== undefined;
    const resumed = !isProved && socket.isSessionReused();
    const isSettled = isProved || tls.auth.isSettled(verifyCode, resumed);
    const isTold = events.accessEnabled || events.isEnabled('handshake-done');
    if (tls.auth.isAsking && (isTold || !isSettled)) this.#certificate = socket.getPeerX509Certificate();
    const evidence = { verifyCode, certificate: this.#certificate };
    const misled = judgeNaming(this.#arrival.naming, socket);
    if (misled !== undefined) {
      this.#refuse(misled, 'judged');
      return;
    }
    const unkeyed = judgeKey(tls.psk, this.#proof);
    const problem = unkeyed ?? (isSettled ? undefined : tls.auth.judge(evidence, Date.now()));
    if (problem !== undefined) {
      this.#turnAway(problem, { version, cipher: socket.getCipher().name, resumed });
      return;
    }
    this.version = version;
    const latest = this.#latest ?? this.#service;
    if (latest.tls !== tls && this.isWithdrawn(latest)) {
      this.#refuse({ reason: 'not-allowed', detail: 'what is trusted has changed since it connected' }, 'judged');
      return;
    }
    counters.handshakeDone(index, version, resumed, (performance.now() - this.#startedMs) / 1000);
    if (events.isEnabled('handshake-done')) {
      const cipher = socket.getCipher().name;
      events.log('handshake-done', { ...this.names(), version, cipher, resumed, ...this.identity() });
    }
    // OpenSSL is still at work below: a reset of the connection from here would crash the process (seen with 26.10).
    setImmediate(() => this.#handlers?.onReady());
  }

  readonly #handshakeLate = (): void => {
    const { handshakeMs } = this.#service.config.timeouts;
    this.#refuse({ reason: 'timeout', detail: `not finished within ${handshakeMs} ms` }, 'late');
  };

  readonly #handshakeError = (error: Error): void => this.#refuse(problemOfError(error), 'failed');

  readonly #handshakeEnd = (): void =>
    this.#refuse({ reason: 'closed', detail: 'the client closed the connection during the handshake' }, 'failed');

  /** It fails verification: it is redirected where the service wants that, and refused elsewhere. */
  #turnAway(problem: HandshakeProblem, tls: HandshakeFacts): void {
    if (this.#service.config.tls?.clientAuth.redirect.length === 0) {
      this.#refuse(problem, 'judged');
      return;
    }
    // OpenSSL is still at work below, see above.
    setImmediate(() => {
      const redirect = this.#handlers?.onUnverified();
      if (redirect === undefined) {
        this.#refuse(problem, 'judged');
        return;
      }
      const { counters, index, events } = this.#service;
      const { reason, detail } = problem;
      this.#handlers = undefined;
      this.version = tls.version;
      counters.handshakeFailed(index, reason);
      events.log('connection-redirected', { ...this.names(), reason, detail, ...tls, ...this.identity() });
      if (events.accessEnabled) this.#tellAccess(reason);
      redirect();
    });
  }

  #refuse({ reason, detail }: HandshakeProblem, how: 'failed' | 'late' | 'judged'): void {
    const handlers = this.#handlers;
    if (handlers === undefined) return;
    // Cutting the client tells its listeners at once, who must not refuse it a second time.
    this.#handlers = undefined;
    const { counters, index, events } = this.#service;
    counters.handshakeFailed(index, reason);
    events.log('handshake-failed', { ...this.names(), reason, detail, ...this.identity() });
    // Where OpenSSL refused, its alert must arrive. It has none for our judgement, and a close_notify would look like an
    // orderly end; OpenSSL is still at work below then, see above.
    if (how === 'failed') this.#discard();
    else if (how === 'late') this.cut();
    else setImmediate(() => this.cut());
    if (events.accessEnabled) this.#tellAccess(reason);
    handlers.onRefused();
  }

  #tellAccess(reason: HandshakeProblem['reason']): void {
    const nothing = { backend: undefined, bytesIn: 0, bytesOut: 0 };
    this.#service.events.access(tunnelAccess(this, { ...nothing, reason: `tls-${reason}` }));
  }

  #discard(): void {
    this.socket.on('error', ignore);
    this.socket.destroy();
  }
}

/** What breaks after the end was told, or is told by `close` anyway. */
function ignore(): void {}
