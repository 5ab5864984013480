import type { HandshakeFailure } from './labels.ts';
import type { LogEvents } from './log-event.ts';
import { line, type StunnelLine } from './stunnel-line.ts';

const VERIFY_ERRORS: Readonly<Partial<Record<HandshakeFailure, string>>> = {
  'unknown-ca': 'CERT: Pre-verification error: unable to get local issuer certificate',
  'self-signed': 'CERT: Pre-verification error: self-signed certificate',
  expired: 'CERT: Pre-verification error: certificate has expired',
  'not-yet-valid': 'CERT: Pre-verification error: certificate is not yet valid',
  revoked: 'CERT: Pre-verification error: certificate revoked',
  'no-crl': 'CERT: Pre-verification error: unable to get certificate CRL',
  'crl-expired': 'CERT: Pre-verification error: CRL has expired',
  'wrong-purpose': 'CERT: Pre-verification error: unsuitable certificate purpose',
  'not-pinned': 'CERT: Certificate not found in local repository',
  'not-allowed': 'CERT: Subject checks failed',
};

type SslCall = 'SSL_accept' | 'SSL_connect';

const ENDS: Readonly<Partial<Record<HandshakeFailure, string>>> = {
  closed: 'error:0A000126:SSL routines::unexpected eof while reading',
  reset: 'Connection reset by peer (104)',
};

const ERRORS: Readonly<Record<SslCall, Readonly<Partial<Record<HandshakeFailure, string>>>>> = {
  SSL_accept: {
    ...ENDS,
    'no-certificate': 'error:0A0000C7:SSL routines::peer did not return a certificate',
    'plain-text': 'error:0A00010B:SSL routines::wrong version number',
    version: 'error:0A000102:SSL routines::unsupported protocol',
    cipher: 'error:0A0000C1:SSL routines::no shared cipher',
  },
  // What a server says in an alert is told in OpenSSL's words for it.
  SSL_connect: { ...ENDS, 'plain-text': 'error:0A00010B:SSL routines::wrong version number' },
};

/** A handshake that failed, as the side of it that we are tells it. */
export function handshakeLines(
  call: SslCall,
  reason: HandshakeFailure,
  detail: string,
  subject = 'unknown',
): readonly StunnelLine[] {
  if (reason === 'timeout') return [line(6, 'ssl_start: s_poll_wait: TIMEOUTbusy exceeded: sending reset')];
  const verification = verificationLines(reason, detail, subject);
  if (verification.length === 0) return [line(3, `${call}: ${ERRORS[call][reason] ?? detail}`)];
  return [...verification, line(3, `${call}: error:0A000086:SSL routines::certificate verify failed`)];
}

/** What is wrong with the certificate of the other side; nothing where it showed none. */
export function verificationLines(
  reason: HandshakeFailure,
  detail: string,
  subject = 'unknown',
): readonly StunnelLine[] {
  const verifyError = reason === 'bad-certificate' ? `CERT: Pre-verification error: ${detail}` : VERIFY_ERRORS[reason];
  return verifyError === undefined ? [] : [line(4, verifyError), line(4, `Rejected by CERT at depth=0: ${subject}`)];
}

/** A handshake with a backend that went well; nothing where it speaks in clear. */
export function backendTlsLines({
  version,
  cipher,
  resumed = false,
  subject,
  serverName,
}: LogEvents['backend-connected']): readonly StunnelLine[] {
  if (version === undefined) return [];
  // A session that is resumed shows no certificate.
  const unverified = resumed ? [] : [line(6, 'Certificate verification disabled')];
  return [
    ...(serverName === undefined ? [] : [line(6, `SNI: sending servername: ${serverName}`)]),
    ...(subject === undefined ? unverified : [line(5, `Certificate accepted at depth=0: ${subject}`)]),
    line(6, `TLS connected: ${resumed ? 'previous session reused' : 'new session negotiated'}`),
    line(6, `${version} ciphersuite: ${cipher}`),
  ];
}
