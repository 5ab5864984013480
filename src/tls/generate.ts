import {
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  randomInt,
  sign,
  X509Certificate,
} from 'node:crypto';
import { promisify } from 'node:util';
import {
  type Asn1,
  bitString,
  enumerated,
  explicit,
  fromDer,
  integer,
  nullValue,
  oid,
  sequence,
  sequenceOf,
  set,
  time,
  toDer,
  utf8String,
} from './asn1.ts';
import {
  authorityKeyExtension,
  type CertificateRole,
  extension,
  keyIdentifier,
  roleExtensions,
  sanExtensions,
  subjectKeyExtension,
} from './extension.ts';
import { issuerIdentity } from './issuer.ts';
import { toPem } from './pem.ts';
import type { SubjectAltName } from './subject-alt-name.ts';

export type { CertificateRole } from './extension.ts';

export interface KeyOptions {
  readonly type: 'rsa' | 'ec';
  /** The modulus of an RSA key; 256, 384 or 521 for the NIST curve of an EC key. */
  readonly bits: number;
}

/** Who signs: a CA's certificate with its private key. */
export interface Issuer {
  readonly certificatePem: string;
  readonly privateKey: KeyObject;
}

export interface CertificateOptions {
  /** The whole subject: one CN. */
  readonly commonName: string;
  readonly sans: readonly SubjectAltName[];
  readonly role: CertificateRole;
  /** The private key of the subject. */
  readonly privateKey: KeyObject;
  /** Undefined: self-signed. */
  readonly issuer: Issuer | undefined;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface RequestOptions {
  readonly commonName: string;
  readonly sans: readonly SubjectAltName[];
  readonly role: CertificateRole;
  readonly privateKey: KeyObject;
}

export interface CrlOptions {
  readonly issuer: Issuer;
  /** Serial numbers in hex, as `CertificateSummary.serial`. */
  readonly revokedSerials: readonly string[];
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
}

const CURVES: Readonly<Record<number, string>> = { 256: 'P-256', 384: 'P-384', 521: 'P-521' };
const COMMON_NAME = '2.5.4.3';
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const SHA256_WITH_RSA = '1.2.840.113549.1.1.11';
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const KEY_COMPROMISE = 1;

/** Makes a private key; an RSA one takes from a tenth of a second (2048 bits) to many (8192), in the background. */
export async function generateKey({ type, bits }: KeyOptions): Promise<KeyObject> {
  const generate = promisify(generateKeyPair);
  const { privateKey } =
    type === 'rsa'
      ? await generate('rsa', { modulusLength: bits })
      : await generate('ec', { namedCurve: CURVES[bits] ?? `P-${bits}` });
  return privateKey;
}

/** A private key as unencrypted PKCS#8 PEM, what `openssl genrsa` writes. */
export function privateKeyPem(privateKey: KeyObject): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Makes a version 3 certificate, signed with SHA-256, as PEM. */
export function createCertificate(options: CertificateOptions): string {
  const { commonName, sans, role, privateKey, issuer } = options;
  const publicKey = createPublicKey(privateKey);
  const subject = nameOf(commonName);
  const subjectKey = keyIdentifier(publicKey);
  const authority = issuer === undefined ? undefined : issuerIdentity(new X509Certificate(issuer.certificatePem));
  const signer = issuer?.privateKey ?? privateKey;
  const body = sequence(
    explicit(0, integer(Uint8Array.of(2))),
    integer(randomSerial()),
    signatureAlgorithm(signer),
    authority === undefined ? subject : fromDer(authority.name),
    sequence(time(options.notBeforeMs), time(options.notAfterMs)),
    subject,
    publicKeyInfo(publicKey),
    explicit(
      3,
      sequence(
        ...roleExtensions(role, publicKey, issuer === undefined),
        ...sanExtensions(sans),
        subjectKeyExtension(subjectKey),
        authorityKeyExtension(authority?.keyIdentifier ?? subjectKey),
      ),
    ),
  );
  return toPem('CERTIFICATE', signed(body, signer));
}

/** Makes a PKCS#10 request, which asks for the names and usages a certificate of that role needs, as PEM. */
export function createRequest({ commonName, sans, role, privateKey }: RequestOptions): string {
  const publicKey = createPublicKey(privateKey);
  const extensions = sequence(...roleExtensions(role, publicKey, false), ...sanExtensions(sans));
  const body = sequence(
    integer(Uint8Array.of(0)),
    nameOf(commonName),
    publicKeyInfo(publicKey),
    explicit(0, sequence(oid(EXTENSION_REQUEST), set(extensions))),
  );
  return toPem('CERTIFICATE REQUEST', signed(body, privateKey));
}

/** Makes a version 2 revocation list as PEM; every entry is revoked since `thisUpdateMs`, for key compromise. */
export function createCrl({ issuer, revokedSerials, thisUpdateMs, nextUpdateMs }: CrlOptions): string {
  const authority = issuerIdentity(new X509Certificate(issuer.certificatePem));
  const entries = revokedSerials.map((serial) =>
    sequence(
      integer(positive(Buffer.from(serial, 'hex'))),
      time(thisUpdateMs),
      sequence(extension('crlReason', enumerated(KEY_COMPROMISE))),
    ),
  );
  const number = integer(positive(Buffer.from(thisUpdateMs.toString(16).padStart(12, '0'), 'hex')));
  const body = sequence(
    integer(Uint8Array.of(1)),
    signatureAlgorithm(issuer.privateKey),
    fromDer(authority.name),
    time(thisUpdateMs),
    time(nextUpdateMs),
    // RFC 5280 5.1.2.6: no empty list of entries.
    ...(entries.length === 0 ? [] : [sequenceOf(entries)]),
    explicit(0, sequence(authorityKeyExtension(authority.keyIdentifier), extension('crlNumber', number))),
  );
  return toPem('X509 CRL', signed(body, issuer.privateKey));
}

/** The DER of `body` with its signature, made by node:crypto: node-forge knows no EC keys and is slow with RSA. */
function signed(body: Asn1, privateKey: KeyObject): Buffer {
  const signature = sign('sha256', toDer(body), privateKey);
  return toDer(sequence(body, signatureAlgorithm(privateKey), bitString(signature, 0)));
}

function signatureAlgorithm({ asymmetricKeyType }: KeyObject): Asn1 {
  // RFC 4055 5 and RFC 5758 3.2: the parameters are NULL for RSA and absent for ECDSA.
  if (asymmetricKeyType === 'rsa') return sequence(oid(SHA256_WITH_RSA), nullValue());
  if (asymmetricKeyType === 'ec') return sequence(oid(ECDSA_WITH_SHA256));
  throw new TypeError(`cannot sign with a key of type ${asymmetricKeyType}`);
}

function nameOf(commonName: string): Asn1 {
  return sequence(set(sequence(oid(COMMON_NAME), utf8String(commonName))));
}

function publicKeyInfo(publicKey: KeyObject): Asn1 {
  return fromDer(publicKey.export({ type: 'spki', format: 'der' }));
}

/** 16 random bytes, positive and always as long, as the CA/Browser Forum asks of public CAs. */
function randomSerial(): Buffer {
  const serial = randomBytes(16);
  serial.writeUInt8(randomInt(0x40, 0x80));
  return serial;
}

/** The shortest two's complement of an unsigned number, the only form DER allows. */
function positive(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first === -1 ? Buffer.alloc(1) : bytes.subarray(first);
  return digits.readUInt8() < 0x80 ? digits : Buffer.concat([Buffer.alloc(1), digits]);
}
