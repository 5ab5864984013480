/** Why a handshake failed: a closed set, also the metric label. Different causes never share a value. */
export type HandshakeFailureReason =
  | 'no-certificate'
  | 'no-key'
  | 'unknown-ca'
  | 'self-signed'
  | 'expired'
  | 'not-yet-valid'
  | 'revoked'
  | 'no-crl'
  | 'crl-expired'
  | 'wrong-purpose'
  | 'not-pinned'
  | 'not-allowed'
  | 'bad-certificate'
  | 'client-alert'
  | 'timeout'
  | 'plain-text'
  | 'version'
  | 'cipher'
  | 'protocol'
  | 'closed'
  | 'reset';

export interface HandshakeProblem {
  readonly reason: HandshakeFailureReason;
  /** For people: what was wrong, as exactly as is known. */
  readonly detail: string;
}

const ERRORS: Readonly<Record<string, HandshakeFailureReason>> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'no-certificate',
  // A wrong key with TLS 1.3, and a name that has none with TLS 1.2.
  ERR_SSL_BINDER_DOES_NOT_VERIFY: 'no-key',
  ERR_SSL_PSK_IDENTITY_NOT_FOUND: 'no-key',
  ERR_SSL_HTTP_REQUEST: 'plain-text',
  ERR_SSL_HTTPS_PROXY_REQUEST: 'plain-text',
  ERR_SSL_WRONG_VERSION_NUMBER: 'plain-text',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'plain-text',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'version',
  ERR_SSL_VERSION_TOO_LOW: 'version',
  ERR_SSL_NO_PROTOCOLS_AVAILABLE: 'version',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'version',
  ERR_SSL_NO_SHARED_CIPHER: 'cipher',
  ERR_SSL_NO_SUITABLE_KEY_SHARE: 'cipher',
  ERR_SSL_NO_SHARED_GROUPS: 'cipher',
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: 'cipher',
  ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS: 'cipher',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'reset',
};

/** Classifies what a TLS socket reported before its handshake was over. */
export function problemOfError(error: Error): HandshakeProblem {
  const code = 'code' in error ? String(error.code) : '';
  const reason = ERRORS[code] ?? (/ALERT/.test(code) ? 'client-alert' : 'protocol');
  return { reason, detail: detailOf(error, code) };
}

function detailOf(error: Error, code: string): string {
  // OpenSSL's own words; what stands before them is a thread id and a source line.
  const words = 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
  return code === '' || words.includes(code) ? words : `${words} (${code})`;
}

const VERIFY_CODES: Readonly<Record<string, HandshakeProblem>> = {
  UNABLE_TO_GET_ISSUER_CERT: { reason: 'unknown-ca', detail: 'unable to get issuer certificate' },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: { reason: 'unknown-ca', detail: 'unable to get local issuer certificate' },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { reason: 'unknown-ca', detail: 'unable to verify the first certificate' },
  SELF_SIGNED_CERT_IN_CHAIN: { reason: 'unknown-ca', detail: 'self-signed certificate in certificate chain' },
  CERT_UNTRUSTED: { reason: 'unknown-ca', detail: 'certificate not trusted' },
  DEPTH_ZERO_SELF_SIGNED_CERT: { reason: 'self-signed', detail: 'self-signed certificate' },
  CERT_HAS_EXPIRED: { reason: 'expired', detail: 'certificate has expired' },
  CERT_NOT_YET_VALID: { reason: 'not-yet-valid', detail: 'certificate is not yet valid' },
  CERT_REVOKED: { reason: 'revoked', detail: 'certificate revoked' },
  UNABLE_TO_GET_CRL: { reason: 'no-crl', detail: 'unable to get certificate CRL' },
  CRL_HAS_EXPIRED: { reason: 'crl-expired', detail: 'CRL has expired' },
  CRL_NOT_YET_VALID: { reason: 'crl-expired', detail: 'CRL is not yet valid' },
  INVALID_PURPOSE: { reason: 'wrong-purpose', detail: 'unsuitable certificate purpose' },
};

/** Classifies OpenSSL's verdict on a client's certificate. */
export function problemOfVerification(code: string): HandshakeProblem {
  return VERIFY_CODES[code] ?? { reason: 'bad-certificate', detail: code };
}
