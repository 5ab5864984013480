import type { TlsVersion } from '../config/config.ts';

/** TLS versions in ascending order. */
export const TLS_VERSIONS: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** Names of `options` that take TLS versions away, upper case. */
export const VERSION_SWITCHES: ReadonlyMap<string, readonly TlsVersion[]> = new Map([
  ['NO_SSLV2', []],
  ['NO_SSLV3', []],
  ['NO_TLSV1', ['TLSv1']],
  ['NO_TLSV1_1', ['TLSv1.1']],
  ['NO_TLSV1_2', ['TLSv1.2']],
  ['NO_TLSV1_3', ['TLSv1.3']],
  ['NO_SSL_MASK', TLS_VERSIONS],
]);

/** Further names of `options` with an effect here. */
export const HONOURED_SWITCHES: ReadonlySet<string> = new Set(['CIPHER_SERVER_PREFERENCE', 'NO_TICKET']);

/** Names that describe what is so anyway, what OpenSSL 3 no longer does, or what only clients and DTLS know. */
export const IDLE_SWITCHES: ReadonlySet<string> = new Set([
  'ALL',
  'CISCO_ANYCONNECT',
  'COOKIE_EXCHANGE',
  'CRYPTOPRO_TLSEXT_BUG',
  'DONT_INSERT_EMPTY_FRAGMENTS',
  'ENABLE_MIDDLEBOX_COMPAT',
  'EPHEMERAL_RSA',
  'IGNORE_UNEXPECTED_EOF',
  'LEGACY_SERVER_CONNECT',
  'MICROSOFT_BIG_SSLV3_BUFFER',
  'MICROSOFT_SESS_ID_BUG',
  'MSIE_SSLV2_RSA_PADDING',
  'NETSCAPE_CA_DN_BUG',
  'NETSCAPE_CHALLENGE_BUG',
  'NETSCAPE_DEMO_CIPHER_CHANGE_BUG',
  'NETSCAPE_REUSE_CIPHER_CHANGE_BUG',
  'NO_ANTI_REPLAY',
  'NO_COMPRESSION',
  'NO_DTLS_MASK',
  'NO_DTLSV1',
  'NO_DTLSV1_2',
  'NO_QUERY_MTU',
  'NO_RENEGOTIATION',
  'NO_SESSION_RESUMPTION_ON_RENEGOTIATION',
  'PKCS1_CHECK_1',
  'PKCS1_CHECK_2',
  'SAFARI_ECDHE_ECDSA_BUG',
  'SINGLE_DH_USE',
  'SINGLE_ECDH_USE',
  'SSLEAY_080_CLIENT_DH_BUG',
  'SSLREF2_REUSE_CERT_TYPE_BUG',
  'TLS_BLOCK_PADDING_BUG',
  'TLS_D5_BUG',
  'TLSEXT_PADDING',
]);

/** Names that OpenSSL would act on and icapgw does not: missing them costs comfort or speed, never protection. */
export const MISSED_SWITCHES: ReadonlySet<string> = new Set([
  'ALLOW_CLIENT_RENEGOTIATION',
  'ALLOW_NO_DHE_KEX',
  'ALLOW_UNSAFE_LEGACY_RENEGOTIATION',
  'CLEANSE_PLAINTEXT',
  'DISABLE_TLSEXT_CA_NAMES',
  'ENABLE_KTLS',
  'NO_ENCRYPT_THEN_MAC',
  'NO_EXTENDED_MASTER_SECRET',
  'PRIORITIZE_CHACHA',
  'TLS_ROLLBACK_BUG',
]);
