import type { ServiceTlsConfig } from '../config/config.ts';
import { sha256Hex } from './certificate.ts';
import { type KeyPair, loadKeyPair } from './material.ts';
import { loadTicketSecret, type TicketSecretMaterial } from './ticket-secret.ts';
import { loadTrust, type Trust } from './trust.ts';

/** Everything a service's TLS needs from the disk; plain values, so that it goes to workers as it is. */
export interface ServiceMaterial {
  readonly keyPair: KeyPair;
  /** Undefined where no client is asked for a certificate, or none is verified. */
  readonly trust: Trust | undefined;
  /** Equal exactly where two policies judge clients alike: what a session ticket is bound to. */
  readonly policyHash: string;
  /** Undefined: tickets are of this process only. */
  readonly ticketSecret: TicketSecretMaterial | undefined;
}

/** Reads key, chain, trust and revocation lists of one service. Throws TlsMaterialError, naming the file. */
export function loadServiceMaterial(tls: ServiceTlsConfig): ServiceMaterial {
  const { clientAuth } = tls;
  const keyPair = loadKeyPair({
    certFile: tls.cert,
    keyFile: tls.key,
    passphraseFile: tls.keyPassphraseFile,
    securityLevel: tls.securityLevel,
  });
  const isJudged = clientAuth.mode !== 'none' && clientAuth.verify;
  const trust = isJudged ? loadTrust(clientAuth) : undefined;
  const { mode, verify, allow } = clientAuth;
  const policyHash = sha256Hex(JSON.stringify([mode, verify, trust?.hash, allow]));
  return { keyPair, trust, policyHash, ticketSecret: loadTicketSecret(tls.ticketSecret) };
}

/** What the material has to say although it can be used. */
export function materialWarnings({ keyPair, trust, ticketSecret }: ServiceMaterial): readonly string[] {
  return [...keyPair.warnings, ...(trust?.warnings ?? []), ...(ticketSecret?.warnings ?? [])];
}
