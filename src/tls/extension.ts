import { createHash, type KeyObject } from 'node:crypto';
import { type Asn1, bitString, booleanTrue, implicit, octetString, oid, sequence, toDer } from './asn1.ts';
import { elementAt, outerElement } from './der.ts';
import { addressBytes, type SubjectAltName } from './subject-alt-name.ts';

/** What a certificate is for; decides its extensions. */
export type CertificateRole = 'ca' | 'server' | 'client';

const OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  crlReason: '2.5.29.21',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

const KEY_USAGE = { digitalSignature: 0x80, keyEncipherment: 0x20, keyCertSign: 0x04, crlSign: 0x02 } as const;

/** One X.509 extension around the value its own standard defines. */
export function extension(id: keyof typeof OID, value: Asn1, critical = false): Asn1 {
  return sequence(oid(OID[id]), ...(critical ? [booleanTrue()] : []), octetString(toDer(value)));
}

/** Constraints and usages of a role. `isSelfSigned` leaves keyUsage out of a certificate that is no CA. */
export function roleExtensions(role: CertificateRole, publicKey: KeyObject, isSelfSigned: boolean): Asn1[] {
  const isCa = role === 'ca';
  const basic = extension('basicConstraints', isCa ? sequence(booleanTrue()) : sequence(), true);
  // OpenSSL before 3.0 does not see a certificate as self-signed when a keyUsage without keyCertSign is present, and
  // then refuses it as its own trust anchor: what `cert.pem` is to the cloud's portal and to a squid with tls-cafile.
  const usage = isSelfSigned && !isCa ? [] : [extension('keyUsage', keyUsage(role, publicKey), true)];
  const purpose = isCa ? [] : [extension('extKeyUsage', sequence(oid(OID[`${role}Auth`])))];
  return [basic, ...usage, ...purpose];
}

/** The subjectAltName of a certificate or a request; nothing for no names. */
export function sanExtensions(names: readonly SubjectAltName[]): Asn1[] {
  return names.length === 0 ? [] : [extension('subjectAltName', sequence(...names.map(generalName)))];
}

/** SHA-1 of the public key's bits (RFC 5280 4.2.1.2, method 1). */
export function keyIdentifier(publicKey: KeyObject): Buffer {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const bits = elementAt(spki, outerElement(spki), 1);
  // The first byte of a BIT STRING counts its unused bits and is not part of them.
  return createHash('sha1')
    .update(spki.subarray(bits.valueStart + 1, bits.end))
    .digest();
}

export function subjectKeyExtension(identifier: Uint8Array): Asn1 {
  return extension('subjectKeyIdentifier', octetString(identifier));
}

export function authorityKeyExtension(identifier: Uint8Array): Asn1 {
  return extension('authorityKeyIdentifier', sequence(implicit(0, identifier)));
}

function keyUsage(role: CertificateRole, publicKey: KeyObject): Asn1 {
  if (role === 'ca') return bitString(Uint8Array.of(KEY_USAGE.keyCertSign | KEY_USAGE.crlSign), 1);
  // Only an RSA key can be encrypted to, in the key exchange of TLS 1.2.
  return publicKey.asymmetricKeyType === 'rsa'
    ? bitString(Uint8Array.of(KEY_USAGE.digitalSignature | KEY_USAGE.keyEncipherment), 5)
    : bitString(Uint8Array.of(KEY_USAGE.digitalSignature), 7);
}

function generalName({ kind, text }: SubjectAltName): Asn1 {
  if (kind === 'IP') return implicit(7, addressBytes(text));
  return implicit({ EMAIL: 1, DNS: 2, URI: 6 }[kind], Buffer.from(text, 'latin1'));
}
