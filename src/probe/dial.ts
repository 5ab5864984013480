import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, type PeerCertificate, TLSSocket } from 'node:tls';
import { messageOf, UpstreamError } from '../errors.ts';
import { type CertificateSummary, summarize } from '../tls/certificate.ts';
import type { KeyPair } from '../tls/material.ts';
import type { LoadedCertificate } from '../tls/trust.ts';
import { authorityOf, type ProbeTarget } from './target.ts';
import { explainTlsError } from './tls-advice.ts';

/** How to do TLS with the server; read from files before. */
export interface ProbeTls {
  /** CAs, or the server's own certificate; empty: the public CAs. */
  readonly trusted: readonly LoadedCertificate[];
  readonly keyPair: KeyPair | undefined;
  /** For SNI and the name check; undefined: the host of the URL. */
  readonly serverName: string | undefined;
  /** False accepts any server. */
  readonly verify: boolean;
}

/** What TLS agreed on. */
export interface TlsSummary {
  readonly version: string;
  readonly cipher: string;
  readonly certificate: CertificateSummary;
  readonly isVerified: boolean;
}

/** An open connection, which the receiver closes. */
export interface DialedConnection {
  readonly socket: Socket;
  readonly tls: TlsSummary | undefined;
  /** Says what an error of this connection means, as far as TLS knows. */
  explain(error: unknown): string | undefined;
}

/**
 * Connects, with TLS where the target says so. Throws UpstreamError with what to do about it, or the reason of `cancel`.
 */
export async function dial(
  target: ProbeTarget,
  tls: ProbeTls,
  timeoutMs: number,
  cancel: AbortSignal,
): Promise<DialedConnection> {
  cancel.throwIfAborted();
  const isTls = target.scheme === 'icaps';
  const socket = isTls ? openTls(target, tls) : connectTcp({ host: target.host, port: target.port, noDelay: true });
  const timeout = AbortSignal.timeout(timeoutMs);
  const situation = { host: tls.serverName ?? target.host, hasClientCert: tls.keyPair !== undefined };
  const explain = (error: unknown): string | undefined => explainTlsError(error, situation);
  try {
    await once(socket, isTls ? 'secureConnect' : 'connect', { signal: AbortSignal.any([timeout, cancel]) });
  } catch (cause) {
    const failure = timeout.aborted ? timeoutError(target, socket) : dialError(target, cause, explain(cause));
    socket.on('error', () => {});
    socket.destroy();
    cancel.throwIfAborted();
    throw failure;
  }
  return { socket, tls: socket instanceof TLSSocket ? summaryOf(socket) : undefined, explain };
}

function openTls(target: ProbeTarget, tls: ProbeTls): TLSSocket {
  const { trusted, keyPair, verify } = tls;
  const pinned = new Set(trusted.map(({ certificate }) => certificate.fingerprint256));
  const socket = connectTls({
    host: target.host,
    port: target.port,
    // RFC 6066 3: an address is no server name.
    servername: tls.serverName ?? (isIP(target.host) === 0 ? target.host : ''),
    rejectUnauthorized: verify,
    // A leaf that was given as trusted is trusted, whoever signed it.
    allowPartialTrustChain: true,
    // Who holds the very certificate that was given needs no name to be recognised; the portals' have none that fits.
    checkServerIdentity: (_, certificate: PeerCertificate) =>
      pinned.has(certificate.fingerprint256)
        ? undefined
        : checkServerIdentity(tls.serverName ?? target.host, certificate),
    ...(trusted.length === 0 ? {} : { ca: trusted.map(({ pem }) => pem) }),
    ...(keyPair === undefined ? {} : { cert: keyPair.certChainPem, key: keyPair.keyPem }),
  });
  socket.setNoDelay(true);
  return socket;
}

function summaryOf(socket: TLSSocket): TlsSummary | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  return {
    version: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().name,
    certificate: summarize(certificate),
    isVerified: socket.authorized,
  };
}

function timeoutError(target: ProbeTarget, socket: Socket): UpstreamError {
  const backend = authorityOf(target);
  if (socket.connecting) {
    const detail = `nothing answers at ${backend}: a firewall may drop the connection`;
    return new UpstreamError('ICAPGW_UPSTREAM_CONNECT_TIMEOUT', { backend, detail });
  }
  const detail = `${backend} accepts connections but does not answer TLS: is this a plain port? Try icap://`;
  return new UpstreamError('ICAPGW_UPSTREAM_HANDSHAKE', { backend, detail });
}

function dialError(target: ProbeTarget, cause: unknown, tlsText: string | undefined): UpstreamError {
  const backend = authorityOf(target);
  if (tlsText !== undefined) return new UpstreamError('ICAPGW_UPSTREAM_HANDSHAKE', { backend, cause, detail: tlsText });
  switch (cause instanceof Error && 'code' in cause ? cause.code : undefined) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new UpstreamError('ICAPGW_UPSTREAM_RESOLVE', { backend, cause, detail: target.host });
    case 'ECONNREFUSED': {
      const detail = `nothing listens on ${backend}: is the server running, and on this port?`;
      return new UpstreamError('ICAPGW_UPSTREAM_CONNECT', { backend, cause, detail });
    }
    case 'ECONNRESET': {
      const detail = `${backend} closed the connection: it may not accept this client's address`;
      return new UpstreamError('ICAPGW_UPSTREAM_CONNECT', { backend, cause, detail });
    }
    default:
      return new UpstreamError('ICAPGW_UPSTREAM_CONNECT', { backend, cause, detail: messageOf(cause) });
  }
}
