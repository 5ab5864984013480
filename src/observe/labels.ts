/** Why a relayed connection ended. `client` and `backend`: who finished first, both ends clean. */
export const CLOSE_REASONS = [
  'client',
  'backend',
  'client-reset',
  'backend-reset',
  'idle-timeout',
  'close-timeout',
  'no-backend',
  'drain',
  'error',
] as const;
export type CloseReason = (typeof CLOSE_REASONS)[number];

/** Why a connection was turned away before its TLS handshake. */
export const REJECT_REASONS = ['denied', 'service-limit', 'source-limit', 'handshake-rate', 'proxy-protocol'] as const;
export type RejectReason = (typeof REJECT_REASONS)[number];

/** Why a TLS handshake with a client failed. Different causes never share a value. */
export const HANDSHAKE_FAILURES = [
  'no-certificate',
  'unknown-ca',
  'self-signed',
  'expired',
  'not-yet-valid',
  'revoked',
  'no-crl',
  'crl-expired',
  'wrong-purpose',
  'not-pinned',
  'not-allowed',
  'bad-certificate',
  'client-alert',
  'timeout',
  'plain-text',
  'version',
  'cipher',
  'protocol',
  'closed',
  'reset',
] as const;
export type HandshakeFailure = (typeof HANDSHAKE_FAILURES)[number];

/** What became of one attempt to connect a backend for a client. */
export const BACKEND_RESULTS = [
  'connected',
  'refused',
  'timeout',
  'unreachable',
  'reset',
  'tls',
  'local',
  'error',
] as const;
export type BackendResult = (typeof BACKEND_RESULTS)[number];

/** What became of one health check. */
export const HEALTH_CHECK_RESULTS = [
  'success',
  'refused',
  'timeout',
  'reset',
  'unreachable',
  'tls',
  'protocol',
  'status',
  'resolve',
] as const;
export type HealthCheckResult = (typeof HEALTH_CHECK_RESULTS)[number];

/** TLS versions that count in the handshake metric; those below 1.2 appear only once they were seen. */
export const HANDSHAKE_VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
export type HandshakeVersion = (typeof HANDSHAKE_VERSIONS)[number];

/** Only `up` receives connections in the normal course of things. */
export const BACKEND_STATES = ['up', 'down', 'ejected', 'drain', 'maint'] as const;
export type BackendStateLabel = (typeof BACKEND_STATES)[number];

/** Directions of bytes, seen from the gateway on the client's side. */
export const DIRECTIONS = ['received', 'sent'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** What an expiry date belongs to. */
export const CERTIFICATE_KINDS = ['server', 'client-ca', 'crl'] as const;
export type CertificateKind = (typeof CERTIFICATE_KINDS)[number];

export const RELOAD_RESULTS = ['success', 'failure'] as const;
export type ReloadResult = (typeof RELOAD_RESULTS)[number];

/** Upper bounds in seconds of the handshake histogram: a resumed one on a LAN at one end, the deadline at the other. */
export const HANDSHAKE_BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;
