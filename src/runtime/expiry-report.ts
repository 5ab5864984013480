import type { Config } from '../config/config.ts';
import type { Logger } from '../observe/logger.ts';
import type { CertificateExpiry } from '../observe/metrics.ts';
import type { CertificateSummary } from '../tls/certificate.ts';
import { type Expiry, listExpiries } from '../tls/expiry.ts';
import type { KeyPair } from '../tls/material.ts';
import type { LoadedService } from './material.ts';

/** All that expires of what a service uses, the soonest first; nothing where it speaks in clear. */
export function expiriesOf(
  loaded: Pick<LoadedService, 'material' | 'backendMaterial'> | undefined,
  nowMs: number,
): Expiry[] {
  if (loaded === undefined) return [];
  const backends = loaded.backendMaterial.filter((material) => material !== undefined);
  const trusts = [loaded.material, ...backends].map((material) => material?.trust);
  return listExpiries(
    {
      server: certificatesOf(loaded.material?.keyPair),
      clientCa: loaded.material?.trust?.caSummaries ?? [],
      backendClient: backends.flatMap(({ keyPair }) => certificatesOf(keyPair)),
      backendCa: backends.flatMap(({ trust }) => trust?.caSummaries ?? []),
      crl: trusts.flatMap((trust) => trust?.crlSummaries ?? []),
    },
    nowMs,
  );
}

function certificatesOf(keyPair: KeyPair | undefined): readonly CertificateSummary[] {
  return keyPair === undefined ? [] : [keyPair.leaf, ...keyPair.chain];
}

/**
 * Warns of what expires soon, and returns for each service and kind the moment at which the first one does.
 */
export function reportExpiries(config: Config, material: readonly LoadedService[], log: Logger): CertificateExpiry[] {
  return config.services.flatMap(({ name: service }, index) => {
    const expiries = expiriesOf(material[index], Date.now());
    for (const { kind, subject, days, isDue } of expiries) {
      if (!isDue) continue;
      if (days < 0) log.log('certificate-expired', { service, kind, subject, days: -days });
      else log.log('certificate-expiring', { service, kind, subject, days });
    }
    // Soonest first, so the first of a kind is the one that counts.
    const firsts = new Map(expiries.toReversed().map((expiry) => [expiry.kind, expiry]));
    return Array.from(firsts.values(), ({ kind, notAfterMs }) => ({ service, kind, expiresMs: notAfterMs }));
  });
}
