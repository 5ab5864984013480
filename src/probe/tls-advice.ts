import type { PeerCertificate } from 'node:tls';

/** What the advice depends on. */
export interface TlsSituation {
  readonly host: string;
  readonly hasClientCert: boolean;
}

const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

const NOT_TLS = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_UNKNOWN_PROTOCOL',
]);

/** Alerts of a server that is not content with the client's certificate, or with its absence. */
const CLIENT_CERT_ALERT =
  /ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)/;

/** What went wrong in TLS and what to do about it; undefined for errors that are not of TLS. */
export function explainTlsError(error: unknown, situation: TlsSituation): string | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (UNTRUSTED.has(code)) {
    return 'the certificate of the server is not trusted: give its CA, or the certificate itself, with --ca FILE';
  }
  if (code === 'CERT_HAS_EXPIRED') return 'the certificate of the server, or of its CA, has expired';
  if (code === 'CERT_NOT_YET_VALID') return 'the certificate of the server is not valid yet: compare the clocks';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return (
      `the certificate of the server is for ${certificateNames(error)}, not for ${situation.host}: ` +
      'give that name with --server-name, or the certificate itself with --ca'
    );
  }
  if (NOT_TLS.has(code)) return 'the answer is not TLS: is this a plain port? Try icap:// instead of icaps://';
  if (CLIENT_CERT_ALERT.test(code)) {
    return situation.hasClientCert
      ? 'the server refused the handshake: it does not accept the certificate given with --cert'
      : 'the server refused the handshake: it wants a client certificate, give one with --cert and --key';
  }
  return code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') ? `the handshake failed (${code})` : undefined;
}

/** The error of a name that does not fit carries the certificate. */
function certificateNames(error: unknown): string {
  const certificate = error instanceof Error && 'cert' in error ? (error.cert as Partial<PeerCertificate>) : {};
  return certificate.subjectaltname ?? certificate.subject?.CN?.toString() ?? 'another name';
}
