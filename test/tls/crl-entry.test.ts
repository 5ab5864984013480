import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isRevoked, readRevokedSerials } from '../../src/tls/crl-entry.ts';
import { createCrl } from '../../src/tls/generate.ts';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';

const lab = certificates();

function certificateOf({ cert }: LabIdentity): X509Certificate {
  return new X509Certificate(readFileSync(cert));
}

function listOf(ca: LabIdentity, serials: readonly string[]): Buffer {
  const pem = createCrl({
    issuer: { certificatePem: readFileSync(ca.cert, 'utf8'), privateKey: createPrivateKey(readFileSync(ca.key)) },
    revokedSerials: serials,
    thisUpdateMs: Date.now(),
    nextUpdateMs: Date.now() + 60_000,
  });
  return Buffer.from(pem.replace(/-----.*-----|\n/g, ''), 'base64');
}

function listsSerial(der: Buffer, certificate: X509Certificate): boolean {
  const list = readRevokedSerials(der);
  return list !== undefined && isRevoked(list, certificate);
}

describe('a revocation list', () => {
  const revoked = certificateOf(lab.revokedClient);
  const others = [lab.client, lab.secondClient, lab.rsaClient].map((each) => certificateOf(each).serialNumber);

  test('names the certificates whose serial numbers are on it, at any place', () => {
    for (let place = 0; place <= others.length; place += 1) {
      const list = listOf(lab.ca, others.toSpliced(place, 0, revoked.serialNumber));
      expect(listsSerial(list, revoked)).toBe(true);
    }
    expect(listsSerial(listOf(lab.ca, others), revoked)).toBe(false);
    expect(listsSerial(listOf(lab.ca, others), certificateOf(lab.client))).toBe(true);
  });

  test('without entries names nobody', () => {
    expect(listsSerial(listOf(lab.ca, []), revoked)).toBe(false);
  });

  test('of another CA says nothing of the same number', () => {
    expect(listsSerial(listOf(lab.otherCa, [revoked.serialNumber]), revoked)).toBe(false);
  });

  test('compares numbers, whatever their first bit', () => {
    const serials = ['7F', '80', 'FF', '00', `80${'0'.repeat(38)}`];
    for (const serialNumber of serials) {
      const certificate = { serialNumber, issuer: revoked.issuer } as X509Certificate;
      expect(listsSerial(listOf(lab.ca, [serialNumber]), certificate)).toBe(true);
      expect(
        listsSerial(
          listOf(
            lab.ca,
            serials.filter((each) => each !== serialNumber),
          ),
          certificate,
        ),
      ).toBe(false);
    }
  });

  test('that is cut off anywhere names nobody, and does not throw', () => {
    const list = listOf(lab.ca, [revoked.serialNumber]);
    for (let length = 0; length < list.length; length += 1) {
      expect(listsSerial(list.subarray(0, length), revoked)).toBe(false);
    }
  });
});
