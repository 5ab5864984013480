import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { ServiceTlsConfig } from '../config/config.ts';
import { hasIssued } from './certificate.ts';
import type { ServiceMaterial } from './service-material.ts';
import type { TicketKeys } from './ticket-keys.ts';
import type { Trust } from './trust.ts';

interface ServerContextOptions {
  readonly tls: ServiceTlsConfig;
  readonly material: ServiceMaterial;
  readonly tickets: TicketKeys;
}

/** The TLS context of one service in one worker. Making one costs milliseconds: once per policy, never per connection. */
export function createServerContext({ tls, material, tickets }: ServerContextOptions): SecureContext {
  const { keyPair, trust } = material;
  // A renegotiation would let a client change its identity after it was judged.
  const secureOptions = constants.SSL_OP_NO_RENEGOTIATION | (tls.sessionTickets ? 0 : constants.SSL_OP_NO_TICKET);
  const options: SecureContextOptions = {
    cert: keyPair.certChainPem,
    key: keyPair.keyPem,
    // Always a list, even an empty one: without it Node loads the public CAs.
    ca: trust === undefined ? [] : storeOf(trust),
    ...(trust !== undefined && trust.crlPem.length > 0 && { crl: [...trust.crlPem] }),
    // A pinned certificate stands for itself: OpenSSL then takes it as the end of its chain.
    allowPartialTrustChain: trust?.mode === 'pin' || trust?.mode === 'mixed',
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ciphers: cipherList(tls),
    honorCipherOrder: tls.serverCipherPreference,
    ecdhCurve: tls.groups ?? 'auto',
    secureOptions,
    sessionIdContext: tickets.sessionIdContext,
    ticketKeys: tickets.keys,
    sessionTimeout: Math.max(1, Math.round(tls.sessionTimeoutMs / 1000)),
  };
  return createSecureContext(options);
}

/**
 * The certificates OpenSSL is to trust. Where a pinned certificate may end a chain, an intermediate CA would too, with
 * or without its root and unseen by the root's revocation list: there only roots count, and clients send the rest.
 */
function storeOf({ mode, caPem, pinnedPem }: Trust): string[] {
  const anchors = mode === 'mixed' ? caPem.filter(isSelfSigned) : caPem;
  return [...anchors, ...pinnedPem];
}

function isSelfSigned(pem: string): boolean {
  const certificate = new X509Certificate(pem);
  return hasIssued(certificate, certificate);
}

/** Node takes the suites of TLS 1.3 and the older list as one; what the configuration leaves out keeps its default. */
function cipherList({ ciphers, ciphersuites, securityLevel }: ServiceTlsConfig): string {
  const defaults = DEFAULT_CIPHERS.split(':');
  const suites = ciphersuites ?? defaults.filter(isSuite).join(':');
  const older = ciphers ?? defaults.filter((name) => !isSuite(name)).join(':');
  const list = [suites, older].filter((part) => part !== '').join(':');
  return securityLevel === undefined ? list : `${list}:@SECLEVEL=${securityLevel}`;
}

function isSuite(name: string): boolean {
  return name.startsWith('TLS_');
}
