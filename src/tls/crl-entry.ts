import type { X509Certificate } from 'node:crypto';
import { parseCrl } from './crl.ts';
import { childrenOf, readTlv, TAG, type Tlv } from './der.ts';
import { nameFromLines } from './distinguished-name.ts';

/** Whether a DER CertificateList of the certificate's issuer names its serial number. */
export function listsSerial(der: Buffer, certificate: X509Certificate): boolean {
  if (parseCrl(der)?.issuer !== nameFromLines(certificate.issuer)) return false;
  const entries = entriesOf(der);
  if (entries === undefined) return false;
  const serial = BigInt(`0x${certificate.serialNumber}`);
  for (const entry of childrenOf(der, entries)) {
    const number = entry === undefined ? undefined : readTlv(der, entry.valueStart, entry.end);
    if (number?.tag === TAG.integer && BigInt(`0x${der.toString('hex', number.valueStart, number.end)}`) === serial) {
      return true;
    }
  }
  return false;
}

/** RFC 5280 5.1: the entries are the sequence of sequences behind the dates; a list without any leaves them out. */
function entriesOf(der: Buffer): Tlv | undefined {
  const outer = readTlv(der, 0);
  const list = outer === undefined ? undefined : readTlv(der, outer.valueStart, outer.end);
  if (list === undefined) return undefined;
  let sequences = 0;
  for (const field of childrenOf(der, list)) {
    // The signature's algorithm and the issuer are sequences too, and come first.
    if (field?.tag === TAG.sequence) sequences += 1;
    if (sequences === 3) return field;
  }
  return undefined;
}
