import type { ServiceTlsConfig } from '../config/tls-config.ts';
import { sha256Hex } from './certificate.ts';
import { type KeyPair, loadKeyPair } from './material.ts';
import { loadPskFile, type PskFile } from './psk-file.ts';
import { loadTicketSecret, type TicketSecretMaterial } from './ticket-secret.ts';
import { loadTrust, type Trust } from './trust.ts';

/** Everything a service's TLS needs from the disk; plain values, so that it goes to workers as it is. */
export interface ServiceMaterial {
  /** Undefined only where there are pre-shared keys. */
  readonly keyPair: KeyPair | undefined;
  readonly psk: PskFile | undefined;
  /** Undefined where no client is asked for a certificate, or none is verified. */
  readonly trust: Trust | undefined;
  /** Equal exactly where two policies judge clients alike: what a session ticket is bound to. */
  readonly policyHash: string;
  /** Undefined: tickets are of this process only. */
  readonly ticketSecret: TicketSecretMaterial | undefined;
}

/** Reads key, chain, trust and revocation lists of one service. Throws TlsMaterialError, naming the file. */
export function loadServiceMaterial(tls: ServiceTlsConfig): ServiceMaterial {
  const { clientAuth, cert, pskFile } = tls;
  const psk = pskFile === undefined ? undefined : loadPskFile(pskFile);
  if (cert === undefined && psk === undefined)
    throw new TypeError('a service with TLS has neither a certificate nor keys');
  const keyPair =
    cert === undefined
      ? undefined
      : loadKeyPair({
          certFile: cert,
          keyFile: tls.key,
          passphraseFile: tls.keyPassphraseFile,
          securityLevel: tls.securityLevel,
        });
  const isJudged = clientAuth.mode !== 'none' && clientAuth.verify;
  const trust = isJudged ? loadTrust(clientAuth) : undefined;
  const { mode, verify, allow } = clientAuth;
  // Without a certificate there is no way in but by a key: what was given out beside one must not be another.
  const keyed = psk && [psk.hash, keyPair !== undefined];
  const policyHash = sha256Hex(JSON.stringify([mode, verify, trust?.hash, allow, keyed]));
  return { keyPair, psk, trust, policyHash, ticketSecret: loadTicketSecret(tls.ticketSecret) };
}

/**
 * Whether clients may resume sessions. Where a certificate is asked for and a key will do, none may: a session does not
 * say which of the two it began with, or whether it was neither.
 */
export function allowsResumption({ pskFile, clientAuth }: ServiceTlsConfig): boolean {
  return pskFile === undefined || clientAuth.mode === 'none';
}

/** What the material has to say although it can be used. */
export function materialWarnings({ keyPair, psk, trust, ticketSecret }: ServiceMaterial): readonly string[] {
  return [keyPair, psk, trust, ticketSecret].flatMap((part) => part?.warnings ?? []);
}
