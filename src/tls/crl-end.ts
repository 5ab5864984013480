import type { Trust } from './trust.ts';

/**
 * Tells, for the name of a CA, the moment from which OpenSSL refuses what it issued because its newest revocation list,
 * or that of a known CA above it, is out of date. `Infinity` where there is no such moment.
 */
export function createCrlEnd({
  caSummaries,
  crlSummaries,
}: Pick<Trust, 'caSummaries' | 'crlSummaries'>): (issuer: string) => number {
  const issuerOf = new Map(caSummaries.map(({ subject, issuer }) => [subject, issuer]));
  const newest = new Map<string, number>();
  for (const { issuer, nextUpdateMs = Number.POSITIVE_INFINITY } of crlSummaries) {
    newest.set(issuer, Math.max(newest.get(issuer) ?? 0, nextUpdateMs));
  }
  return (issuer) => {
    let endMs = Number.POSITIVE_INFINITY;
    const seen = new Set<string>();
    for (let name: string | undefined = issuer; name !== undefined && !seen.has(name); name = issuerOf.get(name)) {
      seen.add(name);
      endMs = Math.min(endMs, newest.get(name) ?? Number.POSITIVE_INFINITY);
    }
    return endMs;
  };
}
