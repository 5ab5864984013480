import { isIP, type Socket } from 'node:net';
import { connect, type PSKCallbackNegotation, type SecureContext, type TLSSocket } from 'node:tls';
import { BackendAuth, type BackendEvidence } from '../tls/backend-auth.ts';
import { createBackendContext } from '../tls/backend-context.ts';
import type { BackendMaterial } from '../tls/backend-material.ts';
import { sha256Hex } from '../tls/certificate.ts';
import { nameFromLines } from '../tls/distinguished-name.ts';
import type { HandshakeProblem } from '../tls/handshake-failure.ts';
import { hasProvedKey } from '../tls/psk.ts';
import { type RememberedSession, SessionCache, shareSessions } from '../tls/session-cache.ts';
import type { SharedSessions } from '../tls/shared-sessions.ts';
import { verifyCodeOf } from '../tls/verify-code.ts';

/** Where a TLS connection to a backend leads. */
export interface BackendPlace {
  /** For SNI and the name check, where the configuration does not say. */
  readonly hostName: string;
  /** Tells the places of one backend apart. */
  readonly addressText: string;
}

/** What is told of TLS with a backend. */
export interface BackendTlsFacts {
  readonly version: string;
  readonly cipher: string;
  readonly resumed: boolean;
  /** Of the certificate that was shown and verified; a resumed session shows none. */
  readonly subject: string | undefined;
  /** The server name that was sent. */
  readonly serverName: string | undefined;
}

/** Connections on which the pre-shared key was used. */
const proved: WeakSet<TLSSocket> = new WeakSet();

/**
 * Who a backend must be, ready for its TLS connections, with the sessions that can be resumed. Made once per backend: a
 * context costs milliseconds. Another policy is another identity, so that no session outlives what it was judged by.
 */
export class BackendIdentity {
  readonly #material: BackendMaterial;
  readonly #context: SecureContext;
  readonly #auth: BackendAuth;
  readonly #sessions: SessionCache | undefined;
  readonly #psk: PSKCallbackNegotation | undefined;

  constructor(material: BackendMaterial, shared: SharedSessions | undefined) {
    const { sessionResumption, sessionTimeoutMs } = material.tls;
    this.#material = material;
    this.#context = createBackendContext(material);
    this.#auth = new BackendAuth(material);
    const { psk } = material;
    this.#psk = psk && { identity: psk.identity, psk: Buffer.from(psk.keyHex, 'hex') };
    const store = shared === undefined ? undefined : shareSessions(shared, sha256Hex(JSON.stringify(material)));
    this.#sessions = sessionResumption ? new SessionCache(sessionTimeoutMs, store) : undefined;
  }

  /**
   * Begins TLS over a connected socket, which the TLS socket owns from then on. That emits `secureConnect` when it is
   * time to judge, `error` or `close` when there is nothing to judge. There is no deadline of its own.
   */
  begin(raw: Socket, { hostName, addressText }: BackendPlace): BackendHandshake {
    const { serverName = hostName, sni } = this.#material.tls;
    const place = `${serverName} ${addressText}`;
    const known = this.#sessions?.find(place, Date.now());
    const psk = this.#psk;
    const socket = connect({
      socket: raw,
      secureContext: this.#context,
      // SNI has no place for addresses; they are still checked against the certificate.
      servername: sni && isIP(serverName) === 0 ? serverName : '',
      // Node forgets the name check where a session is resumed: whoever asks for a verdict gets it from us.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(psk !== undefined && { pskCallback: () => psk }),
      ...(known !== undefined && { session: known.session }),
    });
    const parts = { socket, raw, place, serverName, known, isKeyed: psk !== undefined };
    return new BackendHandshake({ ...parts, auth: this.#auth, sessions: this.#sessions });
  }

  /** What to tell of a connection that was made by this identity. */
  describe(socket: TLSSocket): BackendTlsFacts {
    // With a key TLS 1.3 calls a session resumed that is new.
    const resumed = socket.isSessionReused() && !proved.has(socket);
    const certificate = resumed || !this.#material.tls.verify ? undefined : socket.getPeerX509Certificate();
    const { servername } = socket as { readonly servername?: unknown };
    return {
      version: socket.getProtocol() ?? 'unknown',
      cipher: socket.getCipher().name,
      resumed,
      subject: certificate === undefined ? undefined : nameFromLines(certificate.subject),
      serverName: typeof servername === 'string' && servername !== '' ? servername : undefined,
    };
  }
}

type AcceptedEvidence = BackendEvidence & Pick<RememberedSession, 'startedMs'>;

interface HandshakeParts {
  readonly socket: TLSSocket;
  readonly raw: Socket;
  readonly place: string;
  readonly serverName: string;
  /** What was offered. */
  readonly known: RememberedSession | undefined;
  /** Whether a pre-shared key was offered. */
  readonly isKeyed: boolean;
  readonly auth: BackendAuth;
  readonly sessions: SessionCache | undefined;
}

/** One TLS handshake with a backend, from its beginning to the verdict. */
export class BackendHandshake {
  readonly socket: TLSSocket;
  /** What it is over. */
  readonly raw: Socket;
  readonly #parts: HandshakeParts;
  /** Came before the verdict, as TLS 1.2 has it. */
  #session: Buffer | undefined;
  /** What the verdict was founded on, once it was a good one. */
  #accepted: AcceptedEvidence | undefined;

  constructor(parts: HandshakeParts) {
    this.socket = parts.socket;
    this.raw = parts.raw;
    this.#parts = parts;
    if (parts.sessions !== undefined) this.socket.on('session', this.#onSession);
  }

  /** After `secureConnect`: why the backend is not who it must be; undefined when it is, and its sessions are kept. */
  judge(): HandshakeProblem | undefined {
    const evidence = this.#evidence();
    const problem = this.#parts.auth.judge(evidence, this.#parts.serverName, Date.now());
    if (problem !== undefined) return problem;
    this.#accepted = evidence;
    if (this.#session !== undefined) this.#onSession(this.#session);
    this.#session = undefined;
    return undefined;
  }

  /** There is no connection: the session that was offered may be the reason, and is not offered again. */
  forgetSession(): void {
    this.#parts.sessions?.forget(this.#parts.place);
  }

  /**
   * The backend broke off. Whether that may have been over the session that was offered, in which case none is offered for
   * some time: c-icap issues sessions, and fails when they come back, where it asks for certificates.
   */
  refuseSession(): boolean {
    const { known, sessions, place } = this.#parts;
    if (known === undefined) return false;
    sessions?.refuse(place, Date.now());
    return true;
  }

  /** Whom the certificate names that was shown, now or when the session began. */
  get subject(): string | undefined {
    const { certificate } = this.#evidence();
    return certificate === undefined ? undefined : nameFromLines(certificate.subject);
  }

  readonly #onSession = (session: Buffer): void => {
    const { sessions, place } = this.#parts;
    if (this.#accepted === undefined) this.#session = session;
    else sessions?.remember(place, { ...this.#accepted, session });
  };

  #evidence(): AcceptedEvidence {
    const { known } = this.#parts;
    if (known !== undefined && this.socket.isSessionReused()) {
      const { verifyCode, certificate, hasProvedKey, startedMs } = known;
      return { verifyCode, certificate, hasProvedKey, startedMs };
    }
    const isProved = this.#parts.isKeyed && hasProvedKey(this.socket);
    if (isProved) proved.add(this.socket);
    return {
      hasProvedKey: isProved,
      verifyCode: verifyCodeOf(this.socket),
      certificate: this.socket.getPeerX509Certificate(),
      startedMs: Date.now(),
    };
  }
}

/** Where `shared` is left out, its sessions are its own. */
export function createBackendIdentity(material: BackendMaterial, shared?: SharedSessions): BackendIdentity {
  return new BackendIdentity(material, shared);
}
