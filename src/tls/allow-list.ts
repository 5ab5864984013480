import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { AllowConfig } from '../config/tls-config.ts';
import { sha256Hex } from './certificate.ts';
import { nameFromLines } from './distinguished-name.ts';
import { parseSha256 } from './fingerprint.ts';

type SanMatcher = (certificate: X509Certificate) => boolean;

/** Who of the verified clients may pass: any entry that matches is enough, as with stunnel's `checkHost` and kin. */
export class AllowList {
  /** Each a set of parts such as `CN=client1`; a subject matches when it has them all. */
  readonly #subjects: readonly (readonly string[])[];
  readonly #sans: readonly SanMatcher[];
  readonly #keys: ReadonlySet<string>;

  constructor({ subjects, sans, spkiSha256 }: AllowConfig) {
    // An entry without parts would be had by everybody.
    this.#subjects = subjects.map(partsOf).filter((parts) => parts.length > 0);
    this.#sans = sans.map(sanMatcher);
    this.#keys = new Set(spkiSha256.map((digest) => parseSha256(digest) ?? digest));
  }

  admits(certificate: X509Certificate): boolean {
    return this.#hasKey(certificate) || this.#hasSubject(certificate) || this.#sans.some((is) => is(certificate));
  }

  #hasKey(certificate: X509Certificate): boolean {
    if (this.#keys.size === 0) return false;
    return this.#keys.has(sha256Hex(certificate.publicKey.export({ type: 'spki', format: 'der' })));
  }

  #hasSubject(certificate: X509Certificate): boolean {
    if (this.#subjects.length === 0) return false;
    const parts = new Set(partsOf(nameFromLines(certificate.subject)));
    return this.#subjects.some((wanted) => wanted.every((part) => parts.has(part)));
  }
}

/** `O=Test, CN=a\, b` is `O=Test` and `CN=a\, b`. Keys are compared without case, values with it. */
function partsOf(name: string): string[] {
  const parts = name.match(/(?:\\.|[^,\\])+/g) ?? [];
  return parts.map((part) =>
    part.trim().replace(/^([A-Za-z0-9.]+)\s*=\s*/, (_, key: string) => `${key.toUpperCase()}=`),
  );
}

/** An entry without a type is a DNS name. OpenSSL does the comparing, wildcards in the certificate included. */
function sanMatcher(entry: string): SanMatcher {
  const [, type = 'DNS', value = ''] = /^(?:(DNS|IP|EMAIL|URI):)?(.*)$/is.exec(entry) ?? [];
  switch (type.toUpperCase()) {
    case 'IP':
      // node:crypto throws for what is no address, a zone included.
      if (isIP(value) === 0 || value.includes('%')) return () => false;
      return (certificate) => certificate.checkIP(value) !== undefined;
    case 'EMAIL':
      return (certificate) => certificate.checkEmail(value, { subject: 'default' }) !== undefined;
    case 'URI':
      return (certificate) => uriNames(certificate).includes(value);
    default:
      return (certificate) => certificate.checkHost(value, { subject: 'default' }) !== undefined;
  }
}

/**
 * Node prints alternative names as one text and puts a name in JSON quotes when it holds anything that could be taken
 * for a separator (its answer to CVE-2021-44532), so that an unquoted one ends at the next comma.
 */
function uriNames({ subjectAltName }: X509Certificate): string[] {
  const names: string[] = [];
  for (const [, type, value = ''] of (subjectAltName ?? '').matchAll(/([^:,"]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy)) {
    if (type === 'URI') names.push(value.startsWith('"') ? String(JSON.parse(value)) : value);
  }
  return names;
}
