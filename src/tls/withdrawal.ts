import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { hasIssued, sha256Hex } from './certificate.ts';
import type { ClientAuth } from './client-auth.ts';
import { isRevoked, type RevokedSerials, readRevokedSerials } from './crl-entry.ts';
import type { Trust } from './trust.ts';

/** A chain is no longer than this; a damaged one must not make a loop. */
const MAX_CHAIN = 16;

interface TrustParts {
  readonly anchors: readonly X509Certificate[];
  readonly revoked: readonly RevokedSerials[];
}

/** A change is told to all sessions at once: what they are judged by is read once for all of them. */
const PARTS: WeakMap<Trust, TrustParts> = new WeakMap();

/**
 * Whether a client that was let in would not be let in now, because what the service trusts has changed since. What
 * cannot be shown any more counts as withdrawn: an honest client connects again, and is judged as any other.
 */
export function isTrustWithdrawn(socket: TLSSocket, auth: ClientAuth, trust: Trust | undefined): boolean {
  if (!auth.isAsking) return false;
  const certificate = socket.getPeerX509Certificate();
  if (auth.judge({ verifyCode: undefined, certificate }, Date.now()) !== undefined) return true;
  if (certificate === undefined || trust === undefined) return false;
  const chain = chainOf(socket, certificate);
  if (chain.some((each) => isListed(trust, each))) return true;
  // Whoever is pinned needs no anchor, unless both are asked for; that the pin is there still was judged above.
  if (trust.mode === 'pin' || (trust.mode === 'mixed' && trust.pins.includes(sha256Hex(certificate.raw)))) return false;
  return !isAnchored(trust, chain);
}

function isListed(trust: Trust, certificate: X509Certificate): boolean {
  return takenApart(trust).revoked.some((list) => isRevoked(list, certificate));
}

/** As OpenSSL builds it: from the first certificate up, by way of what was sent and what is there, to a trusted root. */
function isAnchored(trust: Trust, chain: readonly X509Certificate[]): boolean {
  const { anchors } = takenApart(trust);
  const known = [...anchors, ...chain];
  let current = chain[0];
  for (let depth = 0; depth < MAX_CHAIN && current !== undefined; depth += 1) {
    const { raw } = current;
    if (hasIssued(current, current)) return anchors.some((anchor) => anchor.raw.equals(raw));
    current = issuerOf(current, known);
  }
  return false;
}

function issuerOf(certificate: X509Certificate, known: readonly X509Certificate[]): X509Certificate | undefined {
  return known.find((issuer) => hasIssued(issuer, certificate));
}

function takenApart(trust: Trust): TrustParts {
  const known = PARTS.get(trust);
  if (known !== undefined) return known;
  const parts = {
    anchors: trust.caPem.map((pem) => new X509Certificate(pem)),
    revoked: trust.crlPem.map((pem) => readRevokedSerials(derOfPem(pem))).filter((list) => list !== undefined),
  };
  PARTS.set(trust, parts);
  return parts;
}

/** The client's certificate and those above it that it sent. A resumed session remembers the first only. */
function chainOf(socket: TLSSocket, leaf: X509Certificate): readonly X509Certificate[] {
  const chain = [leaf];
  let next = socket.getPeerCertificate(true);
  while (chain.length < MAX_CHAIN) {
    const issuer = next.issuerCertificate;
    if (issuer === undefined || issuer === next || issuer.raw === undefined) break;
    chain.push(new X509Certificate(issuer.raw));
    next = issuer;
  }
  return chain;
}

function derOfPem(pem: string): Buffer {
  return Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
}
