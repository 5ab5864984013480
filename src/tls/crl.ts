import { createSecureContext } from 'node:tls';
import { isoDay, sha256Hex } from './certificate.ts';
import { childrenOf, readTime, readTlv, TAG } from './der.ts';
import { readName } from './distinguished-name.ts';
import { expandPath, materialError, readMaterialFile } from './file.ts';
import { derOf, splitPem, toPem } from './pem.ts';

/** What is told of a revocation list. */
export interface CrlSummary {
  readonly file: string;
  /** As in `CertificateSummary.subject` of the CA. */
  readonly issuer: string;
  readonly thisUpdateMs: number;
  /** From here on OpenSSL refuses every certificate of the issuer. Undefined: the list does not say. */
  readonly nextUpdateMs: number | undefined;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint256: string;
}

export interface Crls {
  /** One list each: node:tls reads only the first of a string. */
  readonly pem: readonly string[];
  readonly summaries: readonly CrlSummary[];
  readonly warnings: readonly string[];
}

interface CrlFile {
  readonly pem: string;
  readonly summary: CrlSummary;
}

/** A list of 200,000 certificates has 11 MiB as PEM. */
const MAX_CRL_BYTES = 64 * 1024 * 1024;
/** Names of a CRL folder: OpenSSL's hash links and the usual suffixes. */
const CRL_NAMES = /^[0-9a-f]{8}\.r\d+$|\.(?:crl|pem)$/i;

/**
 * Reads every CRL of files and folders, PEM or DER, each once. Throws TlsMaterialError for a path that cannot be read,
 * is damaged, or holds none: revocation that is silently not checked is worse than a start that fails.
 */
export function loadCrls(paths: readonly string[]): Crls {
  const found = new Map<string, CrlFile>();
  for (const path of paths) {
    const crls = expandPath(path, CRL_NAMES).flatMap((file) => readCrlFile(file, file === path));
    if (crls.length === 0)
      throw materialError(path, 'holds no revocation list (*.crl, *.pem, or hash names ending in .r0)');
    for (const crl of crls) {
      if (!found.has(crl.summary.fingerprint256)) found.set(crl.summary.fingerprint256, crl);
    }
  }
  const crls = [...found.values()];
  const summaries = crls.map((crl) => crl.summary);
  return { pem: crls.map((crl) => crl.pem), summaries, warnings: summaries.flatMap(expiredWarning) };
}

/** The earliest moment at which one of the lists is out of date; undefined where none says. */
export function earliestNextUpdateMs(crls: readonly CrlSummary[]): number | undefined {
  const times = crls.map((crl) => crl.nextUpdateMs).filter((time) => time !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}

/**
 * Reads issuer and dates of a DER CertificateList and steps over its entries without looking at them, however many
 * they are. Undefined where the bytes are no whole list.
 */
export function parseCrl(der: Buffer): Pick<CrlSummary, 'issuer' | 'thisUpdateMs' | 'nextUpdateMs'> | undefined {
  const outer = readTlv(der, 0);
  const list =
    outer?.tag === TAG.sequence && outer.end === der.length ? readTlv(der, outer.valueStart, outer.end) : undefined;
  if (list?.tag !== TAG.sequence) return undefined;
  const fields = childrenOf(der, list);
  const next = () => fields.next().value ?? undefined;
  let field = next();
  if (field?.tag === TAG.integer) field = next();
  const name = next();
  const thisUpdate = next();
  const maybeNextUpdate = next();
  if (field?.tag !== TAG.sequence || name?.tag !== TAG.sequence || thisUpdate === undefined) return undefined;
  const issuer = readName(der, name);
  const thisUpdateMs = readTime(der, thisUpdate);
  if (issuer === undefined || thisUpdateMs === undefined) return undefined;
  return { issuer, thisUpdateMs, nextUpdateMs: maybeNextUpdate && readTime(der, maybeNextUpdate) };
}

function readCrlFile(file: string, isNamed: boolean): CrlFile[] {
  const bytes = readMaterialFile(file, MAX_CRL_BYTES);
  // No text begins like this: '0' and a byte outside ASCII.
  if (bytes[0] === TAG.sequence && (bytes[1] ?? 0) >= 0x80) return [describeCrl(file, bytes, 'the revocation list')];
  const blocks = splitPem(file, bytes);
  const lists = blocks.filter((block) => block.label === 'X509 CRL');
  // A folder may hold the CA's certificates beside its lists.
  if (lists.length === 0 && isNamed) throw materialError(file, 'holds no revocation list');
  return lists.map((block) => describeCrl(file, derOf(block), `the revocation list that begins on line ${block.line}`));
}

function describeCrl(file: string, der: Buffer | undefined, what: string): CrlFile {
  const parsed = der === undefined ? undefined : parseCrl(der);
  if (der === undefined || parsed === undefined) throw materialError(file, `${what} is damaged`);
  const pem = toPem('X509 CRL', der);
  try {
    // The entries are OpenSSL's to judge, here and not when every worker makes its context.
    createSecureContext({ crl: pem });
  } catch (cause) {
    throw materialError(file, `${what} is damaged`, cause);
  }
  return { pem, summary: { file, ...parsed, fingerprint256: sha256Hex(der) } };
}

function expiredWarning({ file, issuer, nextUpdateMs }: CrlSummary): string[] {
  if (nextUpdateMs === undefined || nextUpdateMs > Date.now()) return [];
  const day = isoDay(nextUpdateMs);
  return [
    `${file}: the revocation list of ${issuer} is out of date since ${day}: every certificate of that CA is refused`,
  ];
}
