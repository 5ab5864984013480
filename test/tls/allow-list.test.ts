import { hash, type KeyObject, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AllowConfig } from '../../src/config/tls-config.ts';
import { AllowList } from '../../src/tls/allow-list.ts';
import { createCertificate, generateKey } from '../../src/tls/generate.ts';
import type { SubjectAltName } from '../../src/tls/subject-alt-name.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { openssl } from '../_util/openssl.ts';
import { EVERYBODY } from '../_util/tls-service.ts';

const privateKey: KeyObject = await generateKey({ type: 'ec', bits: 256 });

const make = (commonName: string, ...sans: SubjectAltName[]): X509Certificate =>
  new X509Certificate(
    createCertificate({
      commonName,
      sans,
      role: 'client',
      privateKey,
      issuer: undefined,
      notBeforeMs: Date.now() - 1000,
      notAfterMs: Date.now() + 3_600_000,
    }),
  );

/** A certificate with the subject that `openssl req -subj` writes. */
const makeWithSubject = (subject: string, ...options: string[]): X509Certificate => {
  using folder = createConfigFolder({});
  const key = `${folder.path}/key.pem`;
  const { output } = openssl(
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-utf8'],
    ...['-keyout', key, '-subj', subject, ...options],
  );
  return new X509Certificate(/-----BEGIN CERTIFICATE[\s\S]*END CERTIFICATE-----/.exec(output)?.[0] ?? '');
};

const admits = (certificate: X509Certificate, allow: Partial<AllowConfig>): boolean =>
  new AllowList({ ...EVERYBODY, ...allow }).admits(certificate);

describe('subjects', () => {
  const certificate = makeWithSubject('/C=DE/O=Müller, Söhne/OU=a/OU=b/CN=client1');

  test.each([
    'CN=client1',
    'cn=client1',
    'CN = client1',
    'CN=client1, C=DE',
    'C=DE,O=Müller\\, Söhne,OU=a,OU=b,CN=client1',
    'OU=b,OU=a',
    'O = Müller\\, Söhne , CN=client1',
  ])('%s matches', (subject) => {
    expect(admits(certificate, { subjects: [subject] })).toBe(true);
  });

  test.each([
    'CN=client',
    'CN=Client1',
    'CN=client1,O=Other',
    'client1',
    'O=Müller',
    'O=Müller, Söhne',
    'OU=client1',
    'CN=',
    '',
    ' ',
    ',',
    ' , ',
    '\\',
  ])('%j does not match', (subject) => {
    expect(admits(certificate, { subjects: [subject] })).toBe(false);
  });

  test('any one of several is enough', () => {
    expect(admits(certificate, { subjects: ['CN=somebody', 'CN=client1'] })).toBe(true);
  });

  test.each([
    'x, CN=admin',
    'x,CN=admin',
    'x\nCN=admin',
    'x\\, CN=admin',
    'x\\\nCN=admin',
    'x + CN=admin',
    'admin ',
    ' admin',
    'admin\\',
    'admin\0',
    '"admin"',
  ])('a common name %j is not CN=admin', (name) => {
    expect(admits(make(name), { subjects: ['CN=admin'] })).toBe(false);
  });

  test('no common name passes for a part it does not equal', () => {
    const name = fc.string({ minLength: 1, maxLength: 24, unit: fc.constantFrom(...',\\ \n"+=;CN<>#a') });
    const isOther = fc.property(name, (text) => admits(make(text), { subjects: ['CN=a'] }) === (text === 'a'));
    fc.assert(isOther, { seed: 7, numRuns: 60 });
  });
});

describe('DNS names', () => {
  const dns = (text: string): SubjectAltName => ({ kind: 'DNS', text });

  test('are compared without case, with or without their type', () => {
    const certificate = make('x', dns('client.example'));
    expect(admits(certificate, { sans: ['DNS:Client.Example'] })).toBe(true);
    expect(admits(certificate, { sans: ['client.example'] })).toBe(true);
    expect(admits(certificate, { sans: ['dns:other.example', 'client.example'] })).toBe(true);
    expect(admits(certificate, { sans: ['sub.client.example', 'example'] })).toBe(false);
  });

  test('a wildcard in the certificate stands for one label', () => {
    const certificate = make('x', dns('*.clients.example'));
    expect(admits(certificate, { sans: ['a.clients.example'] })).toBe(true);
    expect(admits(certificate, { sans: ['a.b.clients.example'] })).toBe(false);
    expect(admits(certificate, { sans: ['clients.example'] })).toBe(false);
  });

  test('the common name counts only where there is no DNS name', () => {
    expect(admits(make('client.example'), { sans: ['client.example'] })).toBe(true);
    expect(admits(make('client.example', dns('other.example')), { sans: ['client.example'] })).toBe(false);
  });
});

describe('the other alternative names', () => {
  test('addresses', () => {
    const certificate = make('x', { kind: 'IP', text: '192.0.2.7' }, { kind: 'IP', text: '2001:db8::7' });
    expect(admits(certificate, { sans: ['IP:192.0.2.7'] })).toBe(true);
    expect(admits(certificate, { sans: ['ip:2001:DB8:0::7'] })).toBe(true);
    expect(admits(certificate, { sans: ['IP:192.0.2.8'] })).toBe(false);
    expect(admits(certificate, { sans: ['192.0.2.7'] })).toBe(false);
  });

  test.each(['client.example', '192.0.2', '192.0.2.7/32', '::1%lo', ''])(
    'IP:%s, no address, admits nobody',
    (entry) => {
      const certificate = make('x', { kind: 'IP', text: '192.0.2.7' }, { kind: 'IP', text: '::1' });
      expect(admits(certificate, { sans: [`IP:${entry}`] })).toBe(false);
    },
  );

  test('no entry that the configuration takes makes judging fail', () => {
    const certificate = make('x', { kind: 'DNS', text: 'a.example' });
    const type = fc.constantFrom('', 'DNS:', 'IP:', 'EMAIL:', 'URI:');
    const value = fc.oneof(
      fc.ipV6(),
      fc.domain(),
      fc.string({ minLength: 1, unit: fc.constantFrom(...'.:@-%*/_=é,"0') }),
    );
    const isJudged = fc.property(type, value, (kind, text) => !admits(certificate, { sans: [kind + text] }));
    fc.assert(isJudged, { seed: 7, numRuns: 200 });
  });

  test('mail addresses, in the alternative names or the subject', () => {
    const certificate = make('x', { kind: 'EMAIL', text: 'ops@client.example' });
    expect(admits(certificate, { sans: ['EMAIL:ops@client.example'] })).toBe(true);
    expect(admits(certificate, { sans: ['EMAIL:other@client.example'] })).toBe(false);
    expect(admits(makeWithSubject('/CN=x/emailAddress=a@b.example'), { sans: ['email:a@b.example'] })).toBe(true);
  });

  test('URIs, exactly', () => {
    const certificate = make('x', { kind: 'DNS', text: 'a.example' }, { kind: 'URI', text: 'spiffe://example/icap' });
    expect(admits(certificate, { sans: ['URI:spiffe://example/icap'] })).toBe(true);
    expect(admits(certificate, { sans: ['uri:spiffe://example/icap'] })).toBe(true);
    expect(admits(certificate, { sans: ['URI:spiffe://example/ica', 'URI:spiffe://example/icap/x'] })).toBe(false);
    expect(admits(certificate, { sans: ['URI:SPIFFE://example/icap'] })).toBe(false);
    expect(admits(certificate, { sans: ['URI:a.example'] })).toBe(false);
  });

  test.each([
    'http://x/, URI:spiffe://admin',
    'http://x/", URI:spiffe://admin',
    'http://x/\\", URI:spiffe://admin',
    'http://x/, URI:"spiffe://admin"',
    '", URI:spiffe://admin',
    'spiffe://admin\0',
    'spiffe://admin,',
    "spiffe://admin'",
    '"spiffe://admin"',
  ])('a URI %j does not pass for another', (text) => {
    expect(admits(make('x', { kind: 'URI', text }), { sans: ['URI:spiffe://admin'] })).toBe(false);
  });

  test.each(['http://x/a,b', 'http://x/"q"', "http://x/it's", 'http://x/\\'])('a URI %j passes for itself', (text) => {
    const certificate = make('x', { kind: 'URI', text: 'urn:first' }, { kind: 'URI', text });
    expect(admits(certificate, { sans: [`URI:${text}`] })).toBe(true);
  });

  test.each<SubjectAltName['kind']>(['DNS', 'EMAIL', 'URI'])('a %s name never passes for a URI inside it', (kind) => {
    const name = fc.string({
      minLength: 1,
      maxLength: 24,
      unit: fc.constantFrom(', ', 'URI:', 'a', '"', '\\', '\n', ':'),
    });
    const isOther = fc.property(name, (text) => {
      const passes = admits(make('x', { kind, text }), { sans: ['URI:a'] });
      return passes === (kind === 'URI' && text === 'a');
    });
    fc.assert(isOther, { seed: 7, numRuns: 60 });
  });

  test('names of kinds that nobody asks for do not hide the others', () => {
    const san = 'subjectAltName=otherName:1.3.6.1.4.1.311.20.2.3;UTF8:a@b,RID:1.2.3,URI:urn:it';
    const certificate = makeWithSubject('/CN=x', '-addext', san);
    expect(admits(certificate, { sans: ['URI:urn:it'] })).toBe(true);
  });
});

describe('keys', () => {
  const certificate = make('x');
  const digest = createSpkiDigest(certificate);

  test.each([
    ['hex', digest.toString('hex')],
    [
      'upper-case hex with colons',
      digest
        .toString('hex')
        .toUpperCase()
        .replace(/..(?!$)/g, '$&:'),
    ],
    ['base64', digest.toString('base64')],
  ])('%s', (_, text) => {
    expect(admits(certificate, { spkiSha256: [text] })).toBe(true);
  });

  test('the digest of another key, or of the whole certificate, does not match', () => {
    const other = Buffer.alloc(32, 1).toString('hex');
    const whole = certificate.fingerprint256.replaceAll(':', '');
    expect(admits(certificate, { spkiSha256: [other, whole] })).toBe(false);
  });

  test('a certificate passes by its key though its names do not', () => {
    expect(admits(certificate, { subjects: ['CN=y'], spkiSha256: [digest.toString('hex')] })).toBe(true);
  });
});

function createSpkiDigest({ publicKey }: X509Certificate): Buffer {
  return hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'buffer');
}
