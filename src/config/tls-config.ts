import type { ClientAuthMode, TlsVersion, TrustMode, WrittenAddress } from './config.ts';
import type { SecretConfig } from './feed-config.ts';

export interface AllowConfig {
  /** Distinguished names or `CN=...` fragments as a user writes them; any match passes. */
  readonly subjects: readonly string[];
  /** `DNS:name`, `IP:addr`, `EMAIL:addr`, `URI:uri`; a bare word is DNS. */
  readonly sans: readonly string[];
  /** SHA-256 of the DER SubjectPublicKeyInfo, base64 or hex. */
  readonly spkiSha256: readonly string[];
}

/** Whom to trust on the other side of TLS. */
export interface TrustConfig {
  /** Files or folders. */
  readonly ca: readonly string[];
  readonly trust: TrustMode;
  /** stunnel's verify level 3: chain and pin must both hold. */
  readonly chainAndPin: boolean;
  readonly crl: readonly string[];
  readonly allow: AllowConfig;
}

export interface ClientAuthConfig extends TrustConfig {
  readonly mode: ClientAuthMode;
  /**
   * Whether what a client shows is verified at all. False only for stunnel's `verify = 0` and `requireCert` without
   * a check, which an operator asked for in so many words.
   */
  readonly verify: boolean;
  /** Where clients go that fail verification or show nothing, in place of the backends; empty: they are refused. */
  readonly redirect: readonly WrittenAddress[];
  readonly redirectBalance: 'in-order' | 'round-robin';
}

/** What may be agreed on with the other side of TLS. */
export interface TlsOfferConfig {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL list for TLS 1.2 and below; undefined: the default. */
  readonly ciphers: string | undefined;
  /** TLS 1.3 suites, colon separated; undefined: the default. */
  readonly ciphersuites: string | undefined;
  /** Groups, colon separated; undefined: the default, with a post-quantum hybrid first where available. */
  readonly groups: string | undefined;
  readonly securityLevel: number | undefined;
}

export interface ServiceTlsConfig extends TlsOfferConfig {
  /** Undefined only where pre-shared keys stand in its place. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly keyPassphraseFile: string | undefined;
  /** Whose clients need no certificate: lines of IDENTITY:KEY. */
  readonly pskFile: string | undefined;
  readonly serverCipherPreference: boolean;
  readonly sessionTickets: boolean;
  /** Whether sessions without tickets, which TLS 1.2 has, are kept in memory for all workers. */
  readonly sessionIds: boolean;
  readonly sessionTimeoutMs: number;
  /** For the keys of session tickets, to be good after a restart and on other hosts; undefined: they are made at start. */
  readonly ticketSecret: SecretConfig;
  readonly clientAuth: ClientAuthConfig;
}

/** Without `ca` the runtime's public CAs are trusted; `allow` stands in place of the check of the server name. */
export interface BackendTlsConfig extends TrustConfig, TlsOfferConfig {
  /** SHA-256 of the certificate or of its public key, hex or base64; any match passes and replaces the chain check. */
  readonly pinSha256: readonly string[];
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly keyPassphraseFile: string | undefined;
  /** A key that the backend must know; without `ca` or `pinSha256` no certificate stands in its place. */
  readonly pskFile: string | undefined;
  /** Of the key in that file; undefined: the first. */
  readonly pskIdentity: string | undefined;
  /** For SNI and for the name check; undefined: the host of the address, or of the SRV record. */
  readonly serverName: string | undefined;
  /** Whether the server name is sent. */
  readonly sni: boolean;
  readonly verify: boolean;
  /** Whether a certificate that a CA vouches for must be one of the server name. */
  readonly verifyName: boolean;
  readonly sessionResumption: boolean;
  /** How long after a full handshake its session is offered. */
  readonly sessionTimeoutMs: number;
}
