import type { TlsVersion } from '../config/config.ts';
import type { ServiceDraft } from './draft.ts';
import { TLS_VERSIONS, VERSION_SWITCHES } from './tls-switch.ts';

/** What a service may negotiate, or why that cannot be. */
export type VersionRange = { readonly min: TlsVersion; readonly max: TlsVersion } | { readonly problem: string };

/** Brings sslVersion*, `options = NO_TLSv1_x` and the security level together, as OpenSSL would. */
export function readVersionRange(draft: ServiceDraft): VersionRange {
  const lowest = TLS_VERSIONS.indexOf(draft.minVersion ?? usualMinimum(draft));
  const highest = TLS_VERSIONS.indexOf(draft.maxVersion ?? 'TLSv1.3');
  if (lowest > highest) {
    return { problem: `no TLS version is left: from ${TLS_VERSIONS[lowest]} to ${TLS_VERSIONS[highest]} is nothing` };
  }
  const removed = removedVersions(draft);
  const left = TLS_VERSIONS.slice(lowest, highest + 1).filter((version) => !removed.has(version));
  const [min] = left;
  const max = left.at(-1);
  if (min === undefined || max === undefined) {
    return { problem: 'no TLS version is left: options takes all away that sslVersionMin and sslVersionMax leave' };
  }
  if (TLS_VERSIONS.indexOf(max) - TLS_VERSIONS.indexOf(min) !== left.length - 1) {
    return { problem: `the TLS versions left (${left.join(', ')}) have a gap; use sslVersionMin and sslVersionMax` };
  }
  return { min, max };
}

// Security level 1 and above leave TLS 1.0 and 1.1 no usable signature, so that they are only worth offering at 0.
function usualMinimum(draft: ServiceDraft): TlsVersion {
  return draft.securityLevel === 0 ? 'TLSv1' : 'TLSv1.2';
}

function removedVersions(draft: ServiceDraft): ReadonlySet<TlsVersion> {
  const names = [...draft.switchedOn].filter((name) => !draft.switchedOff.has(name));
  return new Set(names.flatMap((name) => VERSION_SWITCHES.get(name) ?? []));
}
