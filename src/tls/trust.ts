import type { X509Certificate } from 'node:crypto';
import type { TrustConfig } from '../config/tls-config.ts';
import {
  type CertificateSummary,
  certificatesOf,
  hasIssued,
  isCertificate,
  sha256Hex,
  summarize,
  validityWarnings,
} from './certificate.ts';
import { type CrlSummary, earliestNextUpdateMs, loadCrls } from './crl.ts';
import { expandPath, materialError } from './file.ts';
import { loadPem } from './pem.ts';

/** How a client or backend must fit: to an anchor, to a pin, to either, or to both (stunnel's `verify = 3`). */
export type TrustRule = 'chain' | 'pin' | 'mixed' | 'chain-and-pin';

/** Everything that decides whom a service trusts; plain values, so that it goes to workers as it is. */
export interface Trust {
  readonly mode: TrustRule;
  /** The trust anchors, one certificate each; empty with `pin`. */
  readonly caPem: readonly string[];
  /** SHA-256 of the DER of every pinned certificate, lower-case hex; empty with `chain`. */
  readonly pins: readonly string[];
  /** The pinned certificates, one each: stunnel sends their subjects in the CertificateRequest as well. */
  readonly pinnedPem: readonly string[];
  readonly crlPem: readonly string[];
  /** The earliest moment at which a list is out of date; undefined where there is none or none says. */
  readonly crlNextUpdateMs: number | undefined;
  /** Every certificate that was read, anchors and pinned. */
  readonly caSummaries: readonly CertificateSummary[];
  readonly crlSummaries: readonly CrlSummary[];
  /** SHA-256 over mode, anchors, pins and lists: equal exactly where two policies judge alike. */
  readonly hash: string;
  readonly warnings: readonly string[];
}

export interface LoadedCertificate {
  readonly file: string;
  readonly pem: string;
  readonly certificate: X509Certificate;
  readonly summary: CertificateSummary;
}

interface Division {
  readonly mode: TrustRule;
  readonly anchors: readonly LoadedCertificate[];
  readonly pinned: readonly LoadedCertificate[];
  readonly warnings: readonly string[];
}

/** Names of a CA folder: OpenSSL's hash links and the usual suffixes. */
const CA_NAMES = /^[0-9a-f]{8}\.\d+$|\.(?:pem|crt|cer)$/i;

const LIST_WITHOUT_CA =
  'would be asked about nobody: ca (stunnel: CAfile) holds pinned certificates and no CA, and a pinned certificate is revoked ' +
  'by removing it from the file. Remove crl (stunnel: CRLfile), or add the CA that issued the certificates';

/** Who is to be trusted. */
export type TrustedPeer = 'client' | 'backend';

/**
 * Reads CA files, folders and revocation lists and decides what each certificate stands for. With `auto` one that is
 * not a CA is pinned. Throws TlsMaterialError for what cannot be read and for a set that could accept nobody.
 */
export function loadTrust(options: Omit<TrustConfig, 'allow'>, peer: TrustedPeer = 'client'): Trust {
  if (options.ca.length === 0) throw materialError('ca', `names no file, so no ${peer} could be accepted`);
  const all = loadCertificates(options.ca);
  const { mode, anchors, pinned, warnings } = divide(options, all, peer);
  const [list] = options.crl;
  if (mode === 'pin' && list !== undefined) throw materialError(list, LIST_WITHOUT_CA);
  const crls = loadCrls(options.crl);
  const pins = pinned.map(({ summary }) => summary.fingerprint256);
  const decisive = [anchors.map(({ summary }) => summary.fingerprint256), pins, crls.summaries.map(fingerprintOf)];
  return {
    mode,
    caPem: anchors.map(({ pem }) => pem),
    pins,
    pinnedPem: pinned.map(({ pem }) => pem),
    crlPem: crls.pem,
    crlNextUpdateMs: earliestNextUpdateMs(crls.summaries),
    caSummaries: all.map(({ summary }) => summary),
    crlSummaries: crls.summaries,
    hash: sha256Hex(JSON.stringify([mode, ...decisive.map((fingerprints) => fingerprints.toSorted())])),
    warnings: [
      ...all.flatMap(({ file, summary }) => validityWarnings(file, [summary])),
      ...warnings,
      ...rootlessWarnings(anchors, peer),
      ...crls.warnings,
      ...unlistedWarnings(anchors, crls.summaries),
      ...(mode === 'mixed' ? refusedPinWarnings(pinned, anchors, crls.summaries, peer) : []),
    ],
  };
}

/** Reads every certificate of files and folders, each once. Throws TlsMaterialError where a path has none. */
export function loadCertificates(paths: readonly string[]): LoadedCertificate[] {
  const found = new Map<string, LoadedCertificate>();
  for (const path of paths) {
    const read = expandPath(path, CA_NAMES).flatMap((file) => readCaFile(file, file === path));
    if (read.length === 0) {
      throw materialError(path, 'holds no certificate (*.pem, *.crt, *.cer, or hash names ending in .0)');
    }
    for (const { file, certificate } of read) {
      // A hashed folder has every certificate several times over.
      if (found.has(certificate.fingerprint256)) continue;
      const summary = summarize(certificate);
      found.set(certificate.fingerprint256, { file, pem: certificate.toString(), certificate, summary });
    }
  }
  return [...found.values()];
}

function readCaFile(file: string, isNamed: boolean): Pick<LoadedCertificate, 'file' | 'certificate'>[] {
  const blocks = loadPem(file);
  // A folder may hold keys and revocation lists beside its certificates.
  if (!isNamed && !blocks.some(isCertificate)) return [];
  return certificatesOf(file, blocks).map((certificate) => ({ file, certificate }));
}

function divide(
  { ca, trust, chainAndPin }: Pick<TrustConfig, 'ca' | 'trust' | 'chainAndPin'>,
  all: readonly LoadedCertificate[],
  peer: TrustedPeer,
): Division {
  const authorities = all.filter(({ summary }) => summary.isCa);
  if (trust === 'auto' && !chainAndPin) {
    const pinned = all.filter(({ summary }) => !summary.isCa);
    const mode = pinned.length === 0 ? 'chain' : authorities.length === 0 ? 'pin' : 'mixed';
    return { mode, anchors: authorities, pinned, warnings: [] };
  }
  if (trust === 'pin' && !chainAndPin) {
    const warnings = authorities.length === all.length ? authorities.map((one) => pinnedCaWarning(one, peer)) : [];
    return { mode: 'pin', anchors: [], pinned: all, warnings };
  }
  // OpenSSL ends a chain at whatever is self-signed and trusted, a CA or not.
  const anchors = all.filter(({ summary }) => summary.isCa || summary.selfSigned);
  if (anchors.length === 0) throw materialError(ca.join(', '), describeNoAnchor(all, peer));
  if (chainAndPin) return { mode: 'chain-and-pin', anchors, pinned: all, warnings: [] };
  const ignored = all.filter((one) => !anchors.includes(one));
  return { mode: 'chain', anchors, pinned: [], warnings: ignored.map(ignoredLeafWarning) };
}

function describeNoAnchor(all: readonly LoadedCertificate[], peer: TrustedPeer): string {
  const subjects = all.map(({ summary }) => summary.subject).join('; ');
  return (
    `holds no CA, only certificates of ${peer}s (${subjects}), so no chain can be built to it. ` +
    `To accept exactly these ${peer}s use trust: pin (stunnel: verifyPeer = yes), or add the CA that issued them`
  );
}

function pinnedCaWarning({ file, summary }: LoadedCertificate, peer: TrustedPeer): string {
  return (
    `${file}: ${summary.subject} is a CA, and with trust: pin only a ${peer} that shows this very certificate is ` +
    `accepted. For the ${peer}s it signed use trust: chain (stunnel: verifyChain = yes)`
  );
}

function ignoredLeafWarning({ file, summary }: LoadedCertificate): string {
  return `${file}: ${summary.subject} is not a CA and does nothing with trust: chain; trust: auto would pin it`;
}

function rootlessWarnings(anchors: readonly LoadedCertificate[], peer: TrustedPeer): string[] {
  return anchors
    .filter(({ summary }) => !summary.selfSigned)
    .filter(({ certificate }) => !anchors.some((issuer) => hasIssued(issuer.certificate, certificate)))
    .map(({ file, summary }) => {
      const { subject, issuer } = summary;
      return `${file}: ${subject} is an intermediate CA without its root: add the certificate of ${issuer}, or its ${peer}s are refused`;
    });
}

function unlistedWarnings(anchors: readonly LoadedCertificate[], crls: readonly CrlSummary[]): string[] {
  if (crls.length === 0) return [];
  return anchors
    .filter(({ summary }) => summary.isCa && !crls.some((crl) => crl.issuer === summary.subject))
    .map(
      ({ file, summary }) => `${file}: no revocation list of ${summary.subject} is there: what it issued is refused`,
    );
}

/** OpenSSL asks for a list about a pinned certificate too, and takes one only from a CA that it trusts. */
function refusedPinWarnings(
  pinned: readonly LoadedCertificate[],
  anchors: readonly LoadedCertificate[],
  crls: readonly CrlSummary[],
  peer: TrustedPeer,
): string[] {
  if (crls.length === 0) return [];
  return pinned.flatMap(({ file, certificate, summary: { subject, issuer, selfSigned } }) => {
    const isListed = crls.some((crl) => crl.issuer === issuer);
    if (isListed && anchors.some((anchor) => hasIssued(anchor.certificate, certificate))) return [];
    const advice = selfSigned
      ? 'a self-signed certificate has none, so pin it in a service without crl'
      : isListed
        ? `the list of ${issuer} counts only with its certificate: add that, or the ${peer} must send it`
        : `add the certificate and the revocation list of ${issuer}`;
    return [`${file}: with crl, the pinned ${subject} is refused for want of a list: ${advice}`];
  });
}

function fingerprintOf({ fingerprint256 }: CrlSummary): string {
  return fingerprint256;
}
