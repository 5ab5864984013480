import type { KeyObject } from 'node:crypto';
import { createPrivateKey } from 'node:crypto';
import type Forge from 'node-forge';
import { type Asn1, fromDer, toDer } from './asn1.ts';
import { isPkcs12 } from './der.ts';
import { MAX_PEM_BYTES, materialError, readMaterialFile } from './file.ts';
import { forge } from './forge.ts';
import { type PemBlock, splitPem, toPem } from './pem.ts';
import { loadPassphrase } from './private-key.ts';

/**
 * Reads the certificates and private keys of a file as PEM blocks: of a PEM file as they stand there, of a PKCS#12 file
 * (.p12, .pfx) decrypted. The passphrase of that is the first line of `passphraseFile`, and empty where none is named.
 * Throws TlsMaterialError with the way out.
 */
export function loadKeyStore(file: string, passphraseFile: string | undefined): PemBlock[] {
  const bytes = readMaterialFile(file, MAX_PEM_BYTES);
  if (!isPkcs12(bytes)) return splitPem(file, bytes);
  const bags = openStore(file, bytes, passphraseFile).safeContents.flatMap(({ safeBags }) => safeBags);
  const blocks = bags.flatMap(blockOf);
  if (blocks.length === 0) throw materialError(file, 'is PKCS#12 without a certificate or a private key');
  return blocks;
}

type Store = Forge.pkcs12.Pkcs12Pfx;

function openStore(file: string, bytes: Buffer, passphraseFile: string | undefined): Store {
  // There are two ways to have no passphrase: an empty one, and none at all.
  const passphrases = passphraseFile === undefined ? ['', undefined] : [loadPassphrase(passphraseFile)];
  let cause: unknown;
  for (const passphrase of passphrases) {
    try {
      return forge().pkcs12.pkcs12FromAsn1(fromDer(bytes), false, passphrase);
    } catch (error) {
      cause = error;
    }
  }
  const isLocked = cause instanceof Error && /password|decrypt/i.test(cause.message);
  throw materialError(file, isLocked ? lockedText(passphraseFile) : unreadableText(file), cause);
}

function lockedText(passphraseFile: string | undefined): string {
  if (passphraseFile !== undefined) return `the passphrase in ${passphraseFile} does not open this PKCS#12 file`;
  return 'this PKCS#12 file has a passphrase: name the file that holds it with key-passphrase-file';
}

function unreadableText(file: string): string {
  return `this PKCS#12 file cannot be read: openssl pkcs12 -in "${file}" -nodes -out NEW.pem converts it to PEM`;
}

/** Bags of kinds that no TLS context needs are left out. */
function blockOf(bag: Forge.pkcs12.Bag): PemBlock[] {
  const { certBag, keyBag, pkcs8ShroudedKeyBag } = forge().pki.oids;
  switch (bag.type) {
    case certBag:
      return [block('CERTIFICATE', toDer(certificateTree(bag)))];
    case keyBag:
    case pkcs8ShroudedKeyBag:
      return [block('PRIVATE KEY', privateKey(bag).export({ type: 'pkcs8', format: 'der' }))];
    default:
      return [];
  }
}

// node-forge takes what it knows, which is RSA, into objects of its own, and leaves the rest as it is.
function certificateTree({ cert, asn1 }: Forge.pkcs12.Bag): Asn1 {
  return cert === undefined || cert === null ? (asn1 as Asn1) : forge().pki.certificateToAsn1(cert);
}

function privateKey({ key, asn1 }: Forge.pkcs12.Bag): KeyObject {
  const isRsa = key !== undefined && key !== null;
  const der = toDer(isRsa ? forge().pki.privateKeyToAsn1(key) : (asn1 as Asn1));
  return createPrivateKey({ key: der, format: 'der', type: isRsa ? 'pkcs1' : 'pkcs8' });
}

function block(label: string, der: Buffer): PemBlock {
  return { label, text: toPem(label, der), line: 1 };
}
