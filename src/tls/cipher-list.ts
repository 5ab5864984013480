import { DEFAULT_CIPHERS } from 'node:tls';
import type { TlsOfferConfig } from '../config/config.ts';

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

function isSuite(name: string): boolean {
  return name.startsWith('TLS_');
}
