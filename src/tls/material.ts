import type { KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import {
  type CertificateSummary,
  certificatesOf,
  hasIssued,
  isoDay,
  summarize,
  validityWarnings,
} from './certificate.ts';
import { isWorldAccessible, materialError } from './file.ts';
import { loadKeyStore } from './pkcs12.ts';
import { privateKeysOf } from './private-key.ts';

export interface KeyPairOptions {
  /** PEM or PKCS#12: certificates, and the key unless `keyFile` names another file; any order, duplicates allowed. */
  readonly certFile: string;
  readonly keyFile: string | undefined;
  readonly passphraseFile: string | undefined;
  /** OpenSSL's level, which decides what key is too weak; undefined: the runtime's own, 2. */
  readonly securityLevel: number | undefined;
}

/** A certificate with its key, ready for a TLS context and for the way to a worker. */
export interface KeyPair {
  /** Leaf first, each certificate followed by its issuer as far as the file has them. */
  readonly certChainPem: string;
  /** PKCS#8, decrypted. */
  readonly keyPem: string;
  readonly leaf: CertificateSummary;
  /** The issuers that are sent along, nearest first. */
  readonly chain: readonly CertificateSummary[];
  /** Each names the file and what to do; nothing here stops a start. */
  readonly warnings: readonly string[];
}

/** What OpenSSL says when a pair is refused that does belong together. */
const REFUSALS: Readonly<Record<string, string>> = {
  ERR_SSL_EE_KEY_TOO_SMALL: 'its key is too small',
  ERR_SSL_CA_KEY_TOO_SMALL: 'the key of a certificate in its chain is too small',
  ERR_SSL_CA_MD_TOO_WEAK: 'it or a certificate in its chain is signed with a digest that is too weak',
};

/**
 * Reads a certificate and its private key. Where a file holds several, the first certificate that belongs to a key is
 * used. Throws TlsMaterialError, naming the file and the way out, for everything a TLS context could not use.
 */
export function loadKeyPair(options: KeyPairOptions): KeyPair {
  const { certFile } = options;
  const keyFile = options.keyFile ?? certFile;
  const certBlocks = loadKeyStore(certFile, options.passphraseFile);
  const certificates = certificatesOf(certFile, certBlocks);
  const keys = privateKeysOf(keyFile === certFile ? certBlocks : loadKeyStore(keyFile, options.passphraseFile), {
    file: keyFile,
    passphraseFile: options.passphraseFile,
    isCertFile: options.keyFile === undefined,
  });
  const [leaf, key] = findPair(certificates, keys) ?? failUnrelated(options, certificates, keys);
  const chain = issuersOf(leaf, certificates);
  const pair = {
    certChainPem: [leaf, ...chain].map((certificate) => certificate.toString()).join(''),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    leaf: summarize(leaf),
    chain: chain.map(summarize),
  };
  refuseUnusable(options, pair.certChainPem, pair.keyPem);
  const unused = certificates.filter((certificate) => certificate !== leaf && !chain.includes(certificate));
  const warnings = [
    ...(isWorldAccessible(keyFile) ? [`${keyFile}: holds a private key and every account can read it: chmod 600`] : []),
    ...validityWarnings(certFile, [pair.leaf, ...pair.chain]),
    ...chainWarnings(certFile, leaf, chain, unused, keys),
  ];
  return { ...pair, warnings };
}

function findPair(
  certificates: readonly X509Certificate[],
  keys: readonly KeyObject[],
): [X509Certificate, KeyObject] | undefined {
  for (const certificate of certificates) {
    const key = keys.find((candidate) => certificate.checkPrivateKey(candidate));
    if (key !== undefined) return [certificate, key];
  }
  return undefined;
}

function failUnrelated(
  { certFile, keyFile }: KeyPairOptions,
  certificates: readonly X509Certificate[],
  keys: readonly KeyObject[],
): never {
  const key = keys.map(describeKey).join(' and ');
  const others = certificates
    .map((certificate) => `${summarize(certificate).subject} (${describeKey(certificate.publicKey)})`)
    .join('; ');
  const inFile = keyFile === undefined ? '' : ` in ${keyFile}`;
  throw materialError(certFile, `the private key${inFile} (${key}) belongs to none of its certificates: ${others}`);
}

function describeKey(key: KeyObject): string {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  const size = modulusLength ?? namedCurve;
  return [key.asymmetricKeyType?.toUpperCase(), size].filter((part) => part !== undefined).join(' ');
}

/** The issuers of `leaf`, nearest first, up to and including a root where the file has it. */
function issuersOf(leaf: X509Certificate, certificates: readonly X509Certificate[]): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let last = leaf; ; ) {
    const next = certificates.find(
      (candidate) => candidate !== leaf && !chain.includes(candidate) && hasIssued(candidate, last),
    );
    if (next === undefined || hasIssued(last, last)) return chain;
    chain.push(next);
    last = next;
  }
}

/** Only OpenSSL knows what OpenSSL takes at a level: asks it at start, not at the first connection. */
function refuseUnusable({ certFile, securityLevel }: KeyPairOptions, cert: string, key: string): void {
  const ciphers = securityLevel === undefined ? undefined : `DEFAULT@SECLEVEL=${securityLevel}`;
  try {
    createSecureContext({ cert, key, ...(ciphers !== undefined && { ciphers }) });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const reason = REFUSALS[code];
    const text =
      reason === undefined
        ? 'OpenSSL does not take the certificate with its key'
        : `the certificate cannot be served at security level ${securityLevel ?? 2}: ${reason}. Make a new one (icapgw gen-cert)`;
    throw materialError(certFile, text, cause);
  }
}

function chainWarnings(
  file: string,
  leaf: X509Certificate,
  chain: readonly X509Certificate[],
  unused: readonly X509Certificate[],
  keys: readonly KeyObject[],
): string[] {
  const warnings = unused.map((certificate) => {
    const { subject, notAfterMs } = summarize(certificate);
    const belongs = keys.some((key) => certificate.checkPrivateKey(key));
    const text = belongs
      ? `is not used, because an earlier certificate in the file has a key too: remove one of the two`
      : 'does not belong to the chain and is not sent';
    return `${file}: the certificate of ${subject} (until ${isoDay(notAfterMs)}) ${text}`;
  });
  // A public CA's certificate says where its issuer can be fetched; few TLS clients do fetch it.
  const hasRemoteIssuer = leaf.infoAccess?.includes('CA Issuers') === true;
  if (chain.length === 0 && hasRemoteIssuer && !hasIssued(leaf, leaf)) {
    const issuer = summarize(leaf).issuer;
    warnings.push(`${file}: the chain is incomplete: append the certificate of ${issuer}, or clients may refuse it`);
  }
  return warnings;
}
