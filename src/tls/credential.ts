import type { KeyObject } from 'node:crypto';
import { type CertificateRole, createCertificate, generateKey, type Issuer, type KeyOptions } from './generate.ts';
import type { SubjectAltName } from './subject-alt-name.ts';

export interface CredentialOptions {
  readonly commonName: string;
  readonly sans: readonly SubjectAltName[];
  readonly role: CertificateRole;
  readonly key: KeyOptions;
  /** Undefined: self-signed. */
  readonly issuer: Issuer | undefined;
  readonly days: number;
}

/** A fresh private key with its certificate; as it is, also the issuer of others. */
export interface Credential extends Issuer {
  readonly certificatePem: string;
  readonly privateKey: KeyObject;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** A peer whose clock is a little behind must not see a certificate from the future. */
const CLOCK_SKEW_MS = 5 * 60 * 1000;

/** Makes a key and a certificate for it, valid from a few minutes ago for so many days. */
export async function createCredential({ key, days, ...options }: CredentialOptions): Promise<Credential> {
  const privateKey = await generateKey(key);
  const notBeforeMs = Date.now() - CLOCK_SKEW_MS;
  const notAfterMs = notBeforeMs + days * DAY_MS;
  return { privateKey, certificatePem: createCertificate({ ...options, privateKey, notBeforeMs, notAfterMs }) };
}
