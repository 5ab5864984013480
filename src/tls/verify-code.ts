import type { TLSSocket } from 'node:tls';

/** What is used of a TLSSocket beyond its documented interface: what is documented loses the words of rare verdicts. */
interface VerifiedSocket extends TLSSocket {
  readonly ssl: { verifyError(): (Error & { readonly code?: string }) | null | undefined } | null;
}

/**
 * OpenSSL's code for what is wrong with the other side's certificate (`CERT_HAS_EXPIRED`), undefined when nothing is. To
 * be asked once the handshake is over.
 */
export function verifyCodeOf(socket: TLSSocket): string | undefined {
  const { ssl } = socket as VerifiedSocket;
  if (ssl === null) return 'CONNECTION_LOST';
  const error = ssl.verifyError();
  if (error === null || error === undefined) return undefined;
  // Node has no code of its own for the rarer verdicts; OpenSSL's words say more than that.
  return error.code === undefined || error.code === 'UNSPECIFIED' ? error.message : error.code;
}
