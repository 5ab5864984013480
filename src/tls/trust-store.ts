import { X509Certificate } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { hasIssued } from './certificate.ts';
import type { Trust } from './trust.ts';

/** What a TLS context is to verify the other side by; nobody is trusted where there is nothing to verify by. */
export function verificationOptions(
  trust: Trust | undefined,
): Pick<SecureContextOptions, 'ca' | 'crl' | 'allowPartialTrustChain'> {
  return {
    // Always a list, even an empty one: without it Node loads the public CAs.
    ca: trust === undefined ? [] : storeOf(trust),
    ...(trust !== undefined && trust.crlPem.length > 0 && { crl: [...trust.crlPem] }),
    // A pinned certificate stands for itself: OpenSSL then takes it as the end of its chain.
    allowPartialTrustChain: trust?.mode === 'pin' || trust?.mode === 'mixed',
  };
}

/**
 * The certificates OpenSSL is to trust. Where a pinned certificate may end a chain, an intermediate CA would too, with
 * or without its root and unseen by the root's revocation list: there only roots count, and the other side sends the rest.
 */
function storeOf({ mode, caPem, pinnedPem }: Trust): string[] {
  const anchors = mode === 'mixed' ? caPem.filter(isSelfSigned) : caPem;
  return [...anchors, ...pinnedPem];
}

function isSelfSigned(pem: string): boolean {
  const certificate = new X509Certificate(pem);
  return hasIssued(certificate, certificate);
}
