/**
 * Why a connection ended. `client` and `backend`: who finished first, both ends clean. `protocol` to `backend-abort` are
 * ICAP's alone; `policy` is a reset that `when-down` and its like asked for.
 */
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
  'protocol',
  'request-timeout',
  'policy',
  'backend-abort',
  'trust-withdrawn',
  'blocked',
] as const;
export type CloseReason = (typeof CLOSE_REASONS)[number];

/** Why a connection was turned away before its TLS handshake. */
export const REJECT_REASONS = [
  'denied',
  'service-limit',
  'source-limit',
  'handshake-rate',
  'proxy-protocol',
  'blocked',
] as const;
export type RejectReason = (typeof REJECT_REASONS)[number];

/** Why a TLS handshake with a client failed. Different causes never share a value. */
export const HANDSHAKE_FAILURES = [
  'no-certificate',
  'no-key',
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
  'verdict',
  'resolve',
  'local',
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
export const CERTIFICATE_KINDS = ['server', 'client-ca', 'backend-client', 'backend-ca', 'crl'] as const;
export type CertificateKind = (typeof CERTIFICATE_KINDS)[number];

export const RELOAD_RESULTS = ['success', 'failure'] as const;
export type ReloadResult = (typeof RELOAD_RESULTS)[number];

/** What became of the spans of transactions. */
export const SPAN_RESULTS = ['exported', 'lost'] as const;

/** Upper bounds in seconds of the handshake histogram: a resumed one on a LAN at one end, the deadline at the other. */
export const HANDSHAKE_BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

/** Methods of ICAP requests; `other` holds what a client invented. */
export const ICAP_METHODS = ['REQMOD', 'RESPMOD', 'OPTIONS', 'other'] as const;
export type IcapMethod = (typeof ICAP_METHODS)[number];

/** The methods that bring content to be judged. */
export const CONTENT_METHODS = ['REQMOD', 'RESPMOD'] as const;
export type ContentMethod = (typeof CONTENT_METHODS)[number];

/** The label of the method in a request, which is any token. */
export function icapMethodOf(method: string): IcapMethod {
  return ICAP_METHODS.find((each) => each === method) ?? 'other';
}

/** What became of content. `bypassed`: no server judged it. `error`: the client got a status that is no verdict. */
export const VERDICTS = ['allowed', 'modified', 'blocked', 'bypassed', 'error', 'aborted'] as const;
export type VerdictLabel = (typeof VERDICTS)[number];

/** Statuses that servers are known to answer with; `other` holds the rest. */
export const ICAP_STATUSES = [
  '200',
  '201',
  '204',
  '206',
  '302',
  '400',
  '401',
  '403',
  '404',
  '405',
  '407',
  '408',
  '411',
  '413',
  '414',
  '418',
  '500',
  '501',
  '502',
  '503',
  '504',
  '505',
  '539',
  'other',
] as const;
export type IcapStatus = (typeof ICAP_STATUSES)[number];

/** Why a request was sent a second time. `stale`: the server had closed a connection that was kept for reuse. */
export const RETRY_REASONS = [
  'connect',
  'stale',
  'closed',
  'timeout',
  'malformed',
  'saturated',
  '5xx',
  'path',
] as const;
export type RetryReason = (typeof RETRY_REASONS)[number];

/** The rule by which content passed unjudged: four of `bypass`, and the policies. */
export const BYPASS_RULES = [
  'content-type',
  'file-type',
  'extension',
  'url-only',
  'when-down',
  'on-timeout',
  'on-oversize',
] as const;
export type BypassRuleLabel = (typeof BYPASS_RULES)[number];

/** Where a blocked address was met: at the other end of a connection, as the user of a request, or as its server. */
export const BLOCK_LEVELS = ['peer', 'client-ip', 'target'] as const;
export type BlockLevel = (typeof BLOCK_LEVELS)[number];
/** The levels inside a request. */
export const REQUEST_BLOCK_LEVELS = ['client-ip', 'target'] as const;
export type RequestBlockLevel = (typeof REQUEST_BLOCK_LEVELS)[number];

/** Upper bounds in seconds of the request histogram: a 204 on a LAN at one end, a sandbox at the other. */
export const ICAP_BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
] as const;
