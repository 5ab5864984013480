import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  type CertificateOptions,
  createCertificate,
  createCrl,
  createRequest,
  generateKey,
  type Issuer,
  type KeyOptions,
  privateKeyPem,
} from '../../src/tls/generate.ts';
import { parseSubjectAltName } from '../../src/tls/subject-alt-name.ts';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { openssl } from '../_util/openssl.ts';

const DAY = 24 * 60 * 60 * 1000;
const NOW = Date.now();
const NAMES = ['DNS:localhost', 'IP:127.0.0.1', 'IP:2001:db8::1', 'EMAIL:a@b.example', 'URI:spiffe://x/y'];
const SANS = NAMES.flatMap((name) => parseSubjectAltName(name) ?? []);

const EC: KeyOptions = { type: 'ec', bits: 256 };
const KEYS: readonly KeyOptions[] = [
  EC,
  { type: 'ec', bits: 384 },
  { type: 'ec', bits: 521 },
  { type: 'rsa', bits: 2048 },
];

const create = async (change: Partial<CertificateOptions> = {}): Promise<Issuer> => {
  const privateKey = change.privateKey ?? (await generateKey(EC));
  const certificatePem = createCertificate({
    commonName: 'lab',
    sans: [],
    role: 'ca',
    privateKey,
    issuer: undefined,
    notBeforeMs: NOW - DAY,
    notAfterMs: NOW + DAY,
    ...change,
  });
  return { certificatePem, privateKey };
};

/** What openssl prints of one certificate, request or list. */
const print = (command: 'x509' | 'req' | 'crl', pem: string): string => {
  using folder = createConfigFolder({ 'in.pem': pem });
  const { exitCode, output } = openssl(command, '-in', `${folder.path}/in.pem`, '-noout', '-text');
  expect(exitCode).toBe(0);
  return output.replace(/\n\s+/g, '\n');
};

/** What `openssl verify` says of a certificate under an anchor, strictly. */
const verify = (anchor: string, certificate: string, ...args: readonly string[]): string => {
  using folder = createConfigFolder({ 'ca.pem': anchor, 'cert.pem': certificate });
  const anchors = ['-CAfile', `${folder.path}/ca.pem`, '-CApath', folder.path];
  return openssl('verify', ...anchors, ...args, `${folder.path}/cert.pem`).output;
};

describe.each(KEYS)('with a key of $type $bits', (key) => {
  test('openssl accepts CA, server and client certificate, strictly', async () => {
    const privateKey = await generateKey(key);
    const issuer = await create({ privateKey });
    const server = await create({ commonName: 'server', role: 'server', sans: SANS, issuer, privateKey });
    const client = await create({ commonName: 'client', role: 'client', issuer, privateKey });
    expect(verify(issuer.certificatePem, server.certificatePem, '-x509_strict', '-purpose', 'sslserver')).toMatch(
      /: OK\n/,
    );
    expect(verify(issuer.certificatePem, client.certificatePem, '-x509_strict', '-purpose', 'sslclient')).toMatch(
      /: OK\n/,
    );
    expect(verify(issuer.certificatePem, server.certificatePem, '-purpose', 'sslclient')).toContain(
      'unsuitable certificate purpose',
    );
  });

  test('openssl accepts the request and finds the names in it', async () => {
    const privateKey = await generateKey(key);
    const pem = createRequest({ commonName: 'icap.example', sans: SANS, role: 'server', privateKey });
    using folder = createConfigFolder({ 'in.csr': pem });
    expect(openssl('req', '-in', `${folder.path}/in.csr`, '-noout', '-verify').output).toContain('verify OK');
    expect(print('req', pem)).toMatch(/DNS:localhost, IP Address:127\.0\.0\.1, IP Address:2001:DB8:0:0:0:0:0:1/);
  });

  test('openssl takes the private key', async () => {
    using folder = createConfigFolder({ 'key.pem': privateKeyPem(await generateKey(key)) });
    expect(openssl('pkey', '-in', `${folder.path}/key.pem`, '-noout', '-check').output).toContain('Key is valid');
  });
});

describe('a certificate', () => {
  test('says what it is for', async () => {
    const issuer = await create();
    const rsa = await generateKey({ type: 'rsa', bits: 2048 });
    const ca = print('x509', issuer.certificatePem);
    const server = print('x509', (await create({ role: 'server', sans: SANS, issuer })).certificatePem);
    const rsaServer = print('x509', (await create({ role: 'server', issuer, privateKey: rsa })).certificatePem);
    const client = print('x509', (await create({ role: 'client', issuer })).certificatePem);
    expect(ca).toContain('Version: 3 (0x2)');
    expect(ca).toContain(
      'Basic Constraints: critical\nCA:TRUE\nX509v3 Key Usage: critical\nCertificate Sign, CRL Sign\n',
    );
    expect(server).toContain('Basic Constraints: critical\nCA:FALSE\nX509v3 Key Usage: critical\nDigital Signature\n');
    expect(server).toContain('Extended Key Usage: \nTLS Web Server Authentication\n');
    expect(server).toContain('email:a@b.example, URI:spiffe://x/y\n');
    expect(rsaServer).toContain('Key Usage: critical\nDigital Signature, Key Encipherment\n');
    expect(client).toContain('Extended Key Usage: \nTLS Web Client Authentication\n');
  });

  test('that is self-signed for a server is its own trust anchor, without a keyUsage that older OpenSSL stumbles over', async () => {
    const { certificatePem } = await create({ role: 'server', sans: SANS });
    expect(verify(certificatePem, certificatePem, '-purpose', 'sslserver')).toMatch(/: OK\n/);
    expect(print('x509', certificatePem)).not.toContain('X509v3 Key Usage');
  });

  test('has a positive serial number of 16 bytes that no other has', async () => {
    const privateKey = await generateKey(EC);
    const made = await Promise.all(Array.from({ length: 50 }, () => create({ privateKey })));
    const serials = made.map(({ certificatePem }) => new X509Certificate(certificatePem).serialNumber);
    expect(new Set(serials).size).toBe(50);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  test('keeps its times on both sides of 2050', async () => {
    const [beforeMs, afterMs] = [Date.UTC(2049, 11, 31, 23, 59, 59), Date.UTC(2050, 0, 1)];
    const { certificatePem } = await create({ notBeforeMs: beforeMs, notAfterMs: afterMs });
    const certificate = new X509Certificate(certificatePem);
    expect([certificate.validFromDate.getTime(), certificate.validToDate.getTime()]).toEqual([beforeMs, afterMs]);
    using folder = createConfigFolder({ 'in.pem': certificatePem });
    const { output } = openssl('asn1parse', '-in', `${folder.path}/in.pem`);
    expect(output).toMatch(/UTCTIME\s+:491231235959Z/);
    expect(output).toMatch(/GENERALIZEDTIME\s+:20500101000000Z/);
  });

  test('carries any text in its name', async () => {
    const { certificatePem } = await create({ commonName: 'Zürich, 東京 + "x"' });
    expect(new X509Certificate(certificatePem).subject).toBe('CN=Zürich\\, 東京 \\+ \\"x\\"');
  });

  test('can be an intermediate CA', async () => {
    const root = await create({ commonName: 'root' });
    const issuer = await create({ commonName: 'intermediate', issuer: root });
    const leaf = await create({ role: 'client', commonName: 'leaf', issuer });
    using folder = createConfigFolder({ 'intermediate.pem': issuer.certificatePem });
    const chain = ['-untrusted', `${folder.path}/intermediate.pem`];
    expect(verify(root.certificatePem, leaf.certificatePem, '-x509_strict', ...chain)).toMatch(/: OK\n/);
    expect(verify(root.certificatePem, leaf.certificatePem)).toContain('unable to get local issuer certificate');
  });

  test('is accepted under a CA that openssl made, with a name and a key identifier of its own kind', async () => {
    using folder = createConfigFolder({
      'ca.cnf': '[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=CA:true\nsubjectKeyIdentifier=00112233\n',
    });
    const out = `${folder.path}/ca.pem`;
    const request = ['req', '-x509', '-new', '-key', certificates().ca.key, '-config', `${folder.path}/ca.cnf`];
    openssl(...request, '-extensions', 'ca', '-subj', '/C=US/O=Test/CN=old', '-out', out);
    const certificatePem = readFileSync(out, 'utf8');
    const { privateKey } = await create();
    const caKey = createPrivateKey(readFileSync(certificates().ca.key));
    const leaf = await create({ role: 'client', privateKey, issuer: { certificatePem, privateKey: caKey } });
    expect(verify(certificatePem, leaf.certificatePem)).toMatch(/: OK\n/);
    expect(print('x509', leaf.certificatePem)).toContain('Authority Key Identifier: \n00:11:22:33\n');
  });
});

describe('a revocation list', () => {
  test('is accepted by openssl and revokes who is on it', async () => {
    const issuer = await create();
    const [good, bad] = [await create({ role: 'client', issuer }), await create({ role: 'client', issuer })];
    const revokedSerials = [new X509Certificate(bad.certificatePem).serialNumber, '0000FF', '007F', '00'];
    const crl = createCrl({ issuer, revokedSerials, thisUpdateMs: NOW - DAY, nextUpdateMs: NOW + DAY });
    using folder = createConfigFolder({ 'crl.pem': crl, 'ca.pem': issuer.certificatePem });
    const file = `${folder.path}/crl.pem`;
    expect(openssl('crl', '-in', file, '-CAfile', `${folder.path}/ca.pem`, '-noout').output).toContain('verify OK');
    const check = ['-x509_strict', '-crl_check', '-CRLfile', file];
    expect(verify(issuer.certificatePem, good.certificatePem, ...check)).toMatch(/: OK\n/);
    expect(verify(issuer.certificatePem, bad.certificatePem, ...check)).toContain('certificate revoked');
    expect(print('crl', crl).match(/Serial Number: \w{2}\n/g)).toEqual(
      ['FF', '7F', '00'].map((hex) => `Serial Number: ${hex}\n`),
    );
  });

  test('may be empty or out of date', async () => {
    const issuer = await create();
    const leaf = await create({ role: 'client', issuer });
    const options = { issuer, revokedSerials: [], thisUpdateMs: NOW - 2 * DAY };
    using folder = createConfigFolder({
      'empty.pem': createCrl({ ...options, nextUpdateMs: NOW + DAY }),
      'old.pem': createCrl({ ...options, nextUpdateMs: NOW - DAY }),
    });
    const check = (file: string): string =>
      verify(issuer.certificatePem, leaf.certificatePem, '-crl_check', '-CRLfile', `${folder.path}/${file}`);
    expect(check('empty.pem')).toMatch(/: OK\n/);
    expect(check('old.pem')).toContain('CRL has expired');
  });
});

test('a key of a kind that is not made here does not sign', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  await expect(create({ privateKey })).rejects.toThrow('cannot sign with a key of type ed25519');
});
