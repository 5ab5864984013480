import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { oid, sequence, set, toDer, utf8String } from '../../src/tls/asn1.ts';
import { outerElement } from '../../src/tls/der.ts';
import { nameFromLines, readName } from '../../src/tls/distinguished-name.ts';
import { issuerIdentity } from '../../src/tls/issuer.ts';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { openssl } from '../_util/openssl.ts';

test.each([
  {
    name: 'the usual attributes',
    subject: '/C=US/ST=WA/L=Redmond/O=Test/OU=Cloud/CN=x',
    text: 'C=US, ST=WA, L=Redmond, O=Test, OU=Cloud, CN=x',
  },
  {
    name: 'rarer attributes',
    subject: '/DC=example/UID=7/emailAddress=a@b.c/serialNumber=1',
    text: 'DC=example, UID=7, emailAddress=a@b.c, serialNumber=1',
  },
  { name: 'a part with two attributes', subject: '/CN=x+OU=y', text: 'CN=x + OU=y' },
  {
    name: 'what must be escaped',
    subject: '/O=A, B \\+ "C" <d>; \\\\/CN=#x ',
    text: 'O=A\\, B \\+ \\"C\\" \\<d\\>\\; \\\\, CN=\\#x\\ ',
  },
  { name: 'letters outside ASCII', subject: '/CN=Zürich 東京', text: 'CN=Zürich 東京' },
  { name: 'control characters', subject: '/CN=a\tb', text: 'CN=a\\09b' },
])('a name with $name reads as stunnel logs it, and as node:crypto has it', ({ subject, text }) => {
  using folder = createConfigFolder({});
  const out = `${folder.path}/c.pem`;
  const key = certificates().server.key;
  const made = openssl('req', '-x509', '-new', '-utf8', '-multivalue-rdn', '-key', key, '-subj', subject, '-out', out);
  expect(made).toMatchObject({ exitCode: 0 });
  const certificate = new X509Certificate(readFileSync(out));
  const { name } = issuerIdentity(certificate);
  expect(readName(name, outerElement(name))).toBe(text);
  expect(nameFromLines(certificate.subject)).toBe(text);
});

test('an attribute without a short name shows its number', () => {
  const name = toDer(sequence(set(sequence(oid('1.2.840.113549.9999'), utf8String('x')))));
  expect(readName(name, outerElement(name))).toBe('1.2.840.113549.9999=x');
});

test('a BMPString is read as UTF-16', () => {
  const bytes = Buffer.from('300f310d300b06035504031e0400740073', 'hex');
  expect(readName(bytes, outerElement(bytes))).toBe('CN=ts');
});

test('a name without parts is empty', () => {
  const bytes = Buffer.from('3000', 'hex');
  expect(readName(bytes, outerElement(bytes))).toBe('');
});

test.each([
  { name: 'a part that is no SET', hex: '30023000' },
  { name: 'an attribute without a value', hex: '300731053003060100' },
  { name: 'a value that is cut off', hex: '300b310930070603550403 0c05'.replace(' ', '') },
])('$name is no name', ({ hex }) => {
  const bytes = Buffer.from(hex, 'hex');
  expect(readName(bytes, outerElement(bytes))).toBeUndefined();
});
