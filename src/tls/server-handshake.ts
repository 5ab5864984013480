import type { Server, Socket } from 'node:net';
import { type SecureContext, TLSSocket, type TLSSocketOptions, type TlsOptions } from 'node:tls';
import { createPskCallback, type PskKeys } from './psk.ts';
import { verifyCodeOf } from './verify-code.ts';

/**
 * What is used of a TLSSocket beyond its documented interface. `tls.Server` uses the same, but gives the certificate of
 * a client it refuses to nobody, and cannot ask for a certificate with the proper alert while the judgement is ours.
 */
interface ServerSideSocket extends TLSSocket {
  _releaseControl(): boolean;
}

/** `pskCallback` is documented for servers; a TLSSocket takes it from them. */
type ServerSideOptions = TLSSocketOptions & Pick<TlsOptions, 'pskCallback'>;

/** By what a service shakes hands. */
export interface HandshakeContext {
  readonly context: SecureContext;
  /** Remembers the sessions of clients without tickets; undefined: nobody does. */
  readonly sessions: Server | undefined;
  /** Undefined: nobody gets in by a pre-shared key. */
  readonly psk: PskKeys | undefined;
}

/** How a service asks for certificates. */
export interface CertificateRequest {
  readonly isAsked: boolean;
  /** Whether a client without one gets the alert that TLS has for it. */
  readonly isRequired: boolean;
}

/**
 * Begins the server's side of a handshake over an accepted socket, which it owns from then on. The socket emits `secure`
 * when the handshake is over (call `finishHandshake` then), `error` when it failed, `end` or `close` when the client
 * went away. There is no deadline of its own.
 */
export function beginHandshake(
  raw: Socket,
  { context, sessions, psk }: HandshakeContext,
  request: CertificateRequest,
): TLSSocket {
  const options: ServerSideOptions = {
    isServer: true,
    secureContext: context,
    ...(sessions !== undefined && { server: sessions }),
    ...(psk !== undefined && { pskCallback: createPskCallback(psk) }),
    requestCert: request.isAsked,
    rejectUnauthorized: request.isRequired,
  };
  return new TLSSocket(raw, options);
}

/**
 * Ends the handshake: from here on errors of the connection are told as on any socket. Returns OpenSSL's code for what
 * is wrong with the client's certificate (`CERT_HAS_EXPIRED`), undefined when nothing is. Nobody has judged the client
 * yet: OpenSSL was only asked to look.
 */
export function finishHandshake(socket: TLSSocket): string | undefined {
  (socket as ServerSideSocket)._releaseControl();
  return verifyCodeOf(socket);
}

/** Throws when this runtime's TLS sockets lack what judging a client needs: better not to start than to let all pass. */
export function assertRuntimeSupport(): void {
  const prototype = TLSSocket.prototype as Partial<ServerSideSocket>;
  if (typeof prototype._releaseControl !== 'function') {
    throw new TypeError(`Node ${process.version} cannot verify clients as icapgw needs it; use Node 24 or 26`);
  }
}
