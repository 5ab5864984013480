import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from 'node:tls';
import { sha256Hex } from '../tls/certificate.ts';
import { loadCertificates } from '../tls/trust.ts';

/** The options of a TLS connection that decide whom it leads to. */
export type PeerTrust = Pick<ConnectionOptions, 'ca' | 'allowPartialTrustChain' | 'checkServerIdentity'>;

/**
 * Whom to take for the other side: those a CA of the file vouches for, by name, and those whose very certificate is in
 * it: a server's own, as a rule, which may name nobody. Without a file the runtime's public CAs. Throws TlsMaterialError.
 */
export function loadPeerTrust(file: string | undefined): PeerTrust {
  if (file === undefined) return {};
  const certificates = loadCertificates([file]);
  const known: ReadonlySet<string> = new Set(certificates.map(({ summary }) => summary.fingerprint256));
  return {
    ca: certificates.map(({ pem }) => pem),
    allowPartialTrustChain: true,
    checkServerIdentity: (host: string, certificate: PeerCertificate): Error | undefined =>
      known.has(sha256Hex(certificate.raw)) ? undefined : checkServerIdentity(host, certificate),
  };
}
