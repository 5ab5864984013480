import { BACKEND_ADDRESS } from '../address.ts';
import { list } from '../collection.ts';
import type { TlsVersion, TrustMode } from '../config.ts';
import { choice, FLAG, file, INVALID, integer, type Kind, scalar, text } from '../kind.ts';
import { type Key, key, type Mapping, mapping, optional, optionalWith, section } from '../mapping.ts';
import { DAY_MS, duration, MINUTE_MS, SECOND_MS } from '../quantity.ts';
import type { AllowConfig, BackendTlsConfig, ClientAuthConfig, ServiceTlsConfig } from '../tls-config.ts';
import { asWritten, secret, secretText } from './feed-kind.ts';

const MAX_FILES = 256;
const MAX_ALLOWED = 10_000;
const MAX_REDIRECTS = 16;

const FILES: Kind<readonly string[]> = list(file(), { minimum: 1, maximum: MAX_FILES });

const TRUST: Kind<TrustMode> = choice('auto', 'chain', 'pin');

// RFC 8446 4.6.1 lets no session live longer than a week.
const SESSION_TIMEOUT: Kind<number> = duration(SECOND_MS, 7 * DAY_MS);

const VERSION: Kind<TlsVersion> = choice('TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3');

/** A colon-separated list of names that OpenSSL knows; what it knows is checked when the service is set up. */
const CIPHER_LIST: Kind<string> = text({
  type: 'OpenSSL list',
  expected: 'a list of names as OpenSSL takes them, such as ECDHE+AESGCM:!aNULL',
  pattern: /^[\w+\-!@=.:,/*? ]{1,2000}$/,
});

// Node takes both lists as one and sorts them by this beginning: another name would end up among the ciphers of TLS 1.2.
const SUITE_LIST: Kind<string> = text({
  type: 'OpenSSL list',
  expected: 'TLS 1.3 suites separated by colons, such as TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256',
  pattern: /^TLS_\w{1,60}(?::TLS_\w{1,60}){0,31}$/,
});

// OpenSSL 3.5 also takes marks: `*` for a key share, `/` between tuples, `?` before what may be unknown.
const GROUP_LIST: Kind<string> = text({
  type: 'OpenSSL list',
  expected: 'groups separated by colons, such as X25519MLKEM768:X25519:P-256',
  pattern: /^[*?]{0,2}[\w.-]{1,64}(?:[:/][*?]{0,2}[\w.-]{1,64}){0,63}$/,
});

const PSK_IDENTITY: Kind<string> = text({
  type: 'name',
  expected: 'an identity of psk-file',
  pattern: /^[^\p{Cc}:]{1,255}$/u,
});

const TICKET_SECRET: Kind<string> = asWritten(
  secretText('text of at least 32 characters without blanks, such as openssl rand -hex 32 makes', (text) =>
    /^[^\s\p{Cc}]{32,}$/u.test(text),
  ),
);

const SUBJECT: Kind<string> = text({
  type: 'name',
  expected: 'a subject or a part of one, such as CN=client.example',
  pattern: /^(?=[^\p{Cc}]{1,1024}$)\s*[A-Za-z0-9.]+\s*=\s*[^\s,]/u,
});

const SAN: Kind<string> = text({
  type: 'name',
  expected: 'an alternative name such as DNS:client.example, IP:192.0.2.7, EMAIL:a@b.example or URI:spiffe://a/b',
  pattern: /^(?:IP:[\da-f:.]{2,45}|(?:(?:DNS|EMAIL|URI):)?(?!IP:)[^\s\p{Cc}]{1,1024})$/iu,
});

const SHA256_HEX = /^(?:[0-9a-f]{64}|(?:[0-9a-f]{2}:){31}[0-9a-f]{2})$/i;
const SHA256_BASE64 = /^[A-Za-z0-9+/]{43}=?$/;

const SHA256: Kind<string> = scalar({
  type: 'SHA-256',
  expected: 'a SHA-256 hash: 64 hexadecimal digits, or 44 characters of base64',
  parse: (raw) => (typeof raw === 'string' && (SHA256_HEX.test(raw) || SHA256_BASE64.test(raw)) ? raw : INVALID),
  write: (value) => value,
  hint: (raw) => (typeof raw === 'number' ? 'put it in quotes' : undefined),
});

const ALLOW: Mapping<AllowConfig> = mapping<AllowConfig>({
  subjects: key('subjects', list(SUBJECT, { minimum: 0, maximum: MAX_ALLOWED }), []),
  sans: key('sans', list(SAN, { minimum: 0, maximum: MAX_ALLOWED }), []),
  spkiSha256: key('spki-sha256', list(SHA256, { minimum: 0, maximum: MAX_ALLOWED }), []),
});

const CLIENT_AUTH: Mapping<ClientAuthConfig> = mapping<ClientAuthConfig>({
  mode: key('mode', choice('require', 'optional', 'none'), 'require'),
  ca: key('ca', FILES, []),
  trust: key('trust', TRUST, 'auto'),
  verify: key('verify', FLAG, true),
  chainAndPin: key('chain-and-pin', FLAG, false),
  crl: key('crl', FILES, []),
  allow: section('allow', ALLOW, ALLOW.fallback),
  redirect: key('redirect', list(BACKEND_ADDRESS, { minimum: 1, maximum: MAX_REDIRECTS }), []),
  redirectBalance: key('redirect-balance', choice('in-order', 'round-robin'), 'in-order'),
});

// Without the mapping nobody is asked for a certificate; with it, everybody is unless it says otherwise.
const NO_CLIENT_AUTH: ClientAuthConfig = { ...CLIENT_AUTH.fallback, mode: 'none' };
const CLIENT_AUTH_KEY: Key<ClientAuthConfig> = {
  ...key('client-auth', CLIENT_AUTH, NO_CLIENT_AUTH),
  give: (value) => [['client-auth', CLIENT_AUTH.write(value)]],
};

/** `tls:` of a service. */
export const SERVICE_TLS: Mapping<ServiceTlsConfig> = mapping<ServiceTlsConfig>({
  cert: optionalWith('psk-file', 'cert', file(), 'name a PEM file, or write "tls: off" to listen without TLS'),
  key: optional('key', file(), 'in cert'),
  keyPassphraseFile: optional('key-passphrase-file', file()),
  pskFile: optional('psk-file', file()),
  minVersion: key('min-version', VERSION, 'TLSv1.2'),
  maxVersion: key('max-version', VERSION, 'TLSv1.3'),
  ciphers: optional('ciphers', CIPHER_LIST),
  ciphersuites: optional('ciphersuites', SUITE_LIST),
  groups: optional('groups', GROUP_LIST),
  serverCipherPreference: key('server-cipher-preference', FLAG, false),
  securityLevel: optional('security-level', integer(0, 5)),
  sessionTickets: key('session-tickets', FLAG, true),
  sessionIds: key('session-ids', FLAG, false),
  sessionTimeoutMs: key('session-timeout', SESSION_TIMEOUT, 5 * MINUTE_MS),
  ticketSecret: secret('ticket-secret', 'ticket-secret-file', TICKET_SECRET),
  clientAuth: CLIENT_AUTH_KEY,
});

/** `tls:` of a backend. */
export const BACKEND_TLS: Mapping<BackendTlsConfig> = mapping<BackendTlsConfig>({
  ca: key('ca', FILES, []),
  trust: key('trust', TRUST, 'auto'),
  chainAndPin: key('chain-and-pin', FLAG, false),
  crl: key('crl', FILES, []),
  pinSha256: key('pin-sha256', list(SHA256, { minimum: 0, maximum: MAX_FILES }), []),
  allow: section('allow', ALLOW, ALLOW.fallback),
  cert: optional('cert', file()),
  key: optional('key', file(), 'in cert'),
  keyPassphraseFile: optional('key-passphrase-file', file()),
  pskFile: optional('psk-file', file()),
  pskIdentity: optional('psk-identity', PSK_IDENTITY, 'the first in psk-file'),
  serverName: optional(
    'server-name',
    text({ type: 'name', expected: 'a host name or an IP address', pattern: /^[\w.:-]{1,253}$/ }),
    'the host of the address',
  ),
  sni: key('sni', FLAG, true),
  verify: key('verify', FLAG, true),
  verifyName: key('verify-name', FLAG, true),
  minVersion: key('min-version', VERSION, 'TLSv1.2'),
  maxVersion: key('max-version', VERSION, 'TLSv1.3'),
  ciphers: optional('ciphers', CIPHER_LIST),
  ciphersuites: optional('ciphersuites', SUITE_LIST),
  groups: optional('groups', GROUP_LIST),
  securityLevel: optional('security-level', integer(0, 5)),
  sessionResumption: key('session-resumption', FLAG, true),
  sessionTimeoutMs: key('session-timeout', SESSION_TIMEOUT, 5 * MINUTE_MS),
});
