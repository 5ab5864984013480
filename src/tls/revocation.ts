import { sha256Hex } from './certificate.ts';
import { earliestNextUpdateMs, loadCrls } from './crl.ts';
import type { ServiceMaterial } from './service-material.ts';

/**
 * The material as it was loaded with the revocation lists that are on the disk now; nothing else of it is read again.
 * Throws TlsMaterialError where a list cannot be used.
 */
export function withRevocationLists(loaded: ServiceMaterial, paths: readonly string[]): ServiceMaterial {
  const { trust } = loaded;
  if (trust === undefined) return loaded;
  const { pem, summaries } = loadCrls(paths);
  const fingerprints = summaries.map(({ fingerprint256 }) => fingerprint256).toSorted();
  const before = trust.crlSummaries.map(({ fingerprint256 }) => fingerprint256).toSorted();
  if (fingerprints.join() === before.join()) return loaded;
  return {
    ...loaded,
    // Tickets issued while other lists were in force must not open anything.
    policyHash: sha256Hex(JSON.stringify([loaded.policyHash, fingerprints])),
    trust: {
      ...trust,
      crlPem: pem,
      crlSummaries: summaries,
      crlNextUpdateMs: earliestNextUpdateMs(summaries),
      hash: sha256Hex(JSON.stringify([trust.hash, fingerprints])),
    },
  };
}
