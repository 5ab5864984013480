import type { HandshakeFailure, RejectReason } from './labels.ts';

/** What each reason for turning a connection away means, as the end of a sentence. */
export const REJECTION_TEXTS: Readonly<Record<RejectReason, string>> = {
  denied: 'its address may not connect (allow-from, deny-from)',
  'service-limit': 'the service has as many connections as it may (limits.connections)',
  'source-limit': 'its address has as many connections as it may (limits.connections-per-source)',
  'handshake-rate': 'its address begins too many handshakes (limits.handshakes-per-source)',
  'proxy-protocol': 'the PROXY protocol header is missing, malformed, or from an address that may not send one',
  blocked: 'its address is blocked (icapgw ctl blocked says by whom, icapgw ctl unblock lets it in again)',
};

/** What each reason of a failed handshake means, as the end of a sentence. */
export const HANDSHAKE_FAILURE_TEXTS: Readonly<Record<HandshakeFailure, string>> = {
  'no-certificate': 'it sent no certificate',
  'no-key': 'it did not prove a pre-shared key',
  'unknown-ca': 'its certificate was not issued by a trusted CA',
  'self-signed': 'its certificate is self-signed and not pinned',
  expired: 'its certificate has expired',
  'not-yet-valid': 'its certificate is not valid yet',
  revoked: 'its certificate is revoked',
  'no-crl': 'no revocation list of its issuer is at hand',
  'crl-expired': 'the revocation list of its issuer is out of date',
  'wrong-purpose': 'its certificate is not meant for TLS clients',
  'not-pinned': 'its certificate is none of the pinned ones',
  'not-allowed': 'its certificate is trusted but on no allow list',
  'bad-certificate': 'its certificate cannot be used',
  'client-alert': 'it refused our certificate or our TLS settings',
  timeout: 'it did not finish in time',
  'plain-text': 'it does not speak TLS',
  version: 'it offers no TLS version that is allowed here',
  cipher: 'it offers no cipher or group that is allowed here',
  protocol: 'it broke the TLS protocol',
  closed: 'it closed the connection first',
  reset: 'it reset the connection first',
};
