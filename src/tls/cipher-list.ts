import { DEFAULT_CIPHERS } from 'node:tls';
import type { TlsOfferConfig } from '../config/tls-config.ts';

/** Node takes the suites of TLS 1.3 and the older list as one; what the configuration leaves out keeps its default. */
export function cipherList({
  ciphers,
  ciphersuites,
  securityLevel,
}: Pick<TlsOfferConfig, 'ciphers' | 'ciphersuites' | 'securityLevel'>): string {
  const defaults = DEFAULT_CIPHERS.split(':');
  const suites = ciphersuites ?? defaults.filter(isSuite).join(':');
  // OpenSSL's older list knows no suites of TLS 1.3: one that is written there must not widen the other.
  const older = (ciphers?.split(':') ?? defaults).filter((name) => !isSuite(name)).join(':');
  const list = [suites, older].filter((part) => part !== '').join(':');
  return securityLevel === undefined ? list : `${list}:@SECLEVEL=${securityLevel}`;
}

/**
 * The same for a client with a pre-shared key: OpenSSL takes that for one of SHA-256, and a server that also has a
 * certificate would pass it over for a suite with another hash.
 */
export function keyedCipherList(tls: Pick<TlsOfferConfig, 'ciphers' | 'ciphersuites' | 'securityLevel'>): string {
  const suites = tls.ciphersuites?.split(':') ?? DEFAULT_CIPHERS.split(':').filter(isSuite);
  const [others = [], usable = []] = [false, true].map((isUsable) =>
    suites.filter((name) => name.endsWith('_SHA256') === isUsable),
  );
  return cipherList({ ...tls, ciphersuites: [...usable, ...others].join(':') });
}

function isSuite(name: string): boolean {
  return name.startsWith('TLS_');
}
