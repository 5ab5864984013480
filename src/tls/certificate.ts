import { createHash, X509Certificate } from 'node:crypto';
import { readTlv } from './der.ts';
import { nameFromLines } from './distinguished-name.ts';
import { materialError } from './file.ts';
import { derOf, describeBlocks, type PemBlock } from './pem.ts';

/** What logs, metrics and policies need of a certificate; plain values, so that it goes to workers as it is. */
export interface CertificateSummary {
  /** `C=US, O=Test, CN=x`, in the order of the certificate, as stunnel logs it. */
  readonly subject: string;
  readonly issuer: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Upper-case hex without separators. */
  readonly serial: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint256: string;
  /** SHA-256 of the DER SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  /** Whether it may issue others: basicConstraints say CA and keyUsage, if any, allows signing certificates. */
  readonly isCa: boolean;
  readonly selfSigned: boolean;
}

const LABELS: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE']);

/** Whether a block holds a certificate, under any of the names OpenSSL writes. */
export function isCertificate(block: PemBlock): boolean {
  return LABELS.has(block.label);
}

/**
 * The certificates among a file's blocks, each once, in file order. Throws TlsMaterialError where one is damaged or
 * there is none.
 */
export function certificatesOf(file: string, blocks: readonly PemBlock[]): X509Certificate[] {
  const found = blocks.filter(isCertificate);
  if (found.length === 0) throw materialError(file, describeNoCertificate(file, blocks));
  return uniqueCertificates(found.map((block) => parseCertificate(file, block)));
}

/** The first of each certificate, in the order given; `>>` in the published guides makes duplicates easily. */
export function uniqueCertificates(certificates: readonly X509Certificate[]): X509Certificate[] {
  return [...new Map(certificates.map((certificate) => [certificate.fingerprint256, certificate])).values()];
}

/** Reads a certificate into plain values; costs one signature check to tell whether it is self-signed. */
export function summarize(certificate: X509Certificate): CertificateSummary {
  return {
    subject: nameFromLines(certificate.subject),
    issuer: nameFromLines(certificate.issuer),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    serial: certificate.serialNumber,
    fingerprint256: sha256Hex(certificate.raw),
    spkiSha256: sha256Hex(certificate.publicKey.export({ type: 'spki', format: 'der' })),
    isCa: certificate.ca,
    selfSigned: hasIssued(certificate, certificate),
  };
}

/** Whether `issuer` signed `certificate`: names, key identifiers and signature. */
export function hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** Says which certificates are outside their time; `file` stands in front of each text. */
export function validityWarnings(file: string, certificates: readonly CertificateSummary[]): string[] {
  const now = Date.now();
  return certificates.flatMap(({ subject, notBeforeMs, notAfterMs }) => {
    if (notAfterMs < now) return [`${file}: the certificate of ${subject} expired on ${isoDay(notAfterMs)}`];
    if (notBeforeMs > now) return [`${file}: the certificate of ${subject} is not valid before ${isoDay(notBeforeMs)}`];
    return [];
  });
}

/** The day of a time, for people: `2027-03-01`. */
export function isoDay(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

/** SHA-256 as lower-case hex. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function parseCertificate(file: string, block: PemBlock): X509Certificate {
  const der = derOf(block);
  // A TRUSTED CERTIFICATE has OpenSSL's trust settings behind the certificate.
  const tlv = der === undefined ? undefined : readTlv(der, 0);
  if (der === undefined || tlv === undefined) {
    throw materialError(file, `the certificate that begins on line ${block.line} is damaged`);
  }
  try {
    const certificate = new X509Certificate(der.subarray(0, tlv.end));
    // Read here because a key of an unknown kind is only noticed when it is asked for.
    certificate.publicKey.export({ type: 'spki', format: 'der' });
    return certificate;
  } catch (cause) {
    throw materialError(file, `the certificate that begins on line ${block.line} is damaged`, cause);
  }
}

function describeNoCertificate(file: string, blocks: readonly PemBlock[]): string {
  const found = `holds no certificate (found: ${describeBlocks(blocks)})`;
  return blocks.some((block) => block.label === 'PKCS7')
    ? `${found}: openssl pkcs7 -print_certs -in "${file}" takes the certificates out of it`
    : found;
}
