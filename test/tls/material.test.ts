import { chmodSync, copyFileSync, readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { createCertificate, generateKey, privateKeyPem } from '../../src/tls/generate.ts';
import { type KeyPairOptions, loadKeyPair } from '../../src/tls/material.ts';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { openssl } from '../_util/openssl.ts';

const lab = certificates();
const read = (file: string): string => readFileSync(file, 'utf8');

const load = (certFile: string, change: Partial<KeyPairOptions> = {}) =>
  loadKeyPair({ certFile, keyFile: undefined, passphraseFile: undefined, securityLevel: undefined, ...change });

/** Loads what a file of these parts holds, as the only file; other accounts may not read it. */
const loadText = (...parts: readonly string[]) => {
  using folder = createConfigFolder({ 'server.pem': parts.join('') });
  const file = `${folder.path}/server.pem`;
  chmodSync(file, 0o600);
  return load(file);
};

const subjects = (pem: string): number => pem.split('-----BEGIN CERTIFICATE-----').length - 1;

describe('a certificate and its key', () => {
  test('are read from one file, ready for a TLS context', () => {
    const pair = load(lab.server.combined);
    expect(pair).toMatchObject({
      leaf: { subject: 'CN=server', issuer: 'CN=lab-ca', isCa: false, selfSigned: false },
      chain: [],
      warnings: [],
    });
    expect(() => createSecureContext({ cert: pair.certChainPem, key: pair.keyPem })).not.toThrow();
    expect(structuredClone(pair)).toEqual(pair);
  });

  test('are read from two files', () => {
    expect(load(lab.server.cert, { keyFile: lab.server.key }).leaf.subject).toBe('CN=server');
  });

  test.each([
    { name: 'key first', parts: [lab.server.key, lab.server.cert] },
    { name: 'certificate first', parts: [lab.server.cert, lab.server.key] },
    { name: 'all twice', parts: [lab.server.key, lab.server.cert, lab.server.key, lab.server.cert] },
  ])('are found in any order: $name', ({ parts }) => {
    expect(loadText(...parts.map(read))).toMatchObject({ leaf: { subject: 'CN=server' }, chain: [], warnings: [] });
  });

  test('have the fingerprints that openssl prints', () => {
    const { leaf } = load(lab.server.combined);
    const fingerprint = openssl('x509', '-in', lab.server.cert, '-noout', '-fingerprint', '-sha256', '-serial');
    expect(fingerprint.output.replaceAll(':', '').toLowerCase()).toContain(leaf.fingerprint256);
    expect(fingerprint.output).toContain(leaf.serial);
    using folder = createConfigFolder({});
    openssl('pkey', '-in', lab.server.key, '-pubout', '-outform', 'DER', '-out', `${folder.path}/spki`);
    expect(openssl('dgst', '-sha256', `${folder.path}/spki`).output).toContain(leaf.spkiSha256);
  });

  test('an EC key with its parameters in front, as openssl ecparam writes it, is read', () => {
    using folder = createConfigFolder({});
    const key = `${folder.path}/ec.pem`;
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-out', key);
    openssl('req', '-x509', '-new', '-key', key, '-subj', '/CN=ec', '-out', `${folder.path}/cert.pem`);
    expect(load(`${folder.path}/cert.pem`, { keyFile: key }).leaf.subject).toBe('CN=ec');
  });

  test('a certificate with the trust settings of OpenSSL is read', () => {
    using folder = createConfigFolder({});
    const file = `${folder.path}/trusted.pem`;
    openssl('x509', '-in', lab.server.cert, '-trustout', '-addtrust', 'serverAuth', '-out', file);
    expect(read(file)).toContain('BEGIN TRUSTED CERTIFICATE');
    expect(load(file, { keyFile: lab.server.key }).leaf.subject).toBe('CN=server');
  });
});

describe('a chain', () => {
  const { viaIntermediateClient: leaf, intermediateCa, ca, otherCa } = lab;

  test('is put into order, leaf first', () => {
    const pair = loadText(...[ca.cert, intermediateCa.cert, leaf.key, leaf.cert].map(read));
    expect(pair.chain.map(({ subject }) => subject)).toEqual(['CN=intermediate-ca', 'CN=lab-ca']);
    expect(pair.certChainPem).toBe([leaf.cert, intermediateCa.cert, ca.cert].map(read).join(''));
    expect(pair.warnings).toEqual([]);
  });

  test('leaves out a certificate that has nothing to do with it, and says so', () => {
    const pair = loadText(...[leaf.combined, otherCa.cert, intermediateCa.cert].map(read));
    expect(subjects(pair.certChainPem)).toBe(2);
    expect(pair.warnings).toEqual([
      expect.stringMatching(/CN=other-ca .* does not belong to the chain and is not sent/),
    ]);
  });

  test('of two pairs in one file is that of the first, as stunnel has it', () => {
    const pair = loadText(...[lab.server.combined, lab.client.combined].map(read));
    expect(pair.leaf.subject).toBe('CN=server');
    expect(pair.warnings).toEqual([expect.stringMatching(/CN=client .* is not used/)]);
  });

  test('of a public CA without its intermediate is reported', () => {
    using folder = createConfigFolder({ 'aia.cnf': 'authorityInfoAccess = caIssuers;URI:http://ca.example/ca.cer\n' });
    const file = `${folder.path}/leaf.pem`;
    const csr = `${folder.path}/leaf.csr`;
    openssl('req', '-new', '-key', lab.server.key, '-subj', '/CN=public', '-out', csr);
    const signer = ['-CA', lab.ca.cert, '-CAkey', lab.ca.key, '-CAcreateserial', '-CAserial', `${folder.path}/serial`];
    openssl('x509', '-req', '-in', csr, ...signer, '-extfile', `${folder.path}/aia.cnf`, '-out', file);
    expect(load(file, { keyFile: lab.server.key }).warnings).toEqual([
      expect.stringMatching(/the chain is incomplete: append the certificate of CN=lab-ca/),
    ]);
  });
});

describe('an encrypted key', () => {
  const { encryptedServer } = lab;

  test('is opened with the first line of the passphrase file', () => {
    const pair = load(encryptedServer.combined, { passphraseFile: encryptedServer.passphraseFile });
    expect(pair.keyPem).toContain('BEGIN PRIVATE KEY');
  });

  test('in the old format of openssl rsa -aes128 is opened too', () => {
    using folder = createConfigFolder({ pass: 'secret\r\n' });
    const key = `${folder.path}/old.pem`;
    openssl('rsa', '-in', lab.rsaServer.key, '-traditional', '-aes128', '-passout', 'pass:secret', '-out', key);
    expect(read(key)).toContain('Proc-Type: 4,ENCRYPTED');
    const pair = load(lab.rsaServer.cert, { keyFile: key, passphraseFile: `${folder.path}/pass` });
    expect(pair.leaf.subject).toBe('CN=rsa-server');
  });

  test('without a passphrase file is refused, and so are a wrong and an empty passphrase', () => {
    using folder = createConfigFolder({ wrong: 'wrong\n', empty: '\nsecret\n', long: 'x'.repeat(1025) });
    const file = encryptedServer.combined;
    expect(() => load(file)).toThrow(/the private key is encrypted: name the file .* key-passphrase-file/);
    expect(() => load(file, { passphraseFile: `${folder.path}/wrong` })).toThrow(
      /the passphrase in .*wrong does not open/,
    );
    expect(() => load(file, { passphraseFile: `${folder.path}/empty` })).toThrow(/empty: the first line must be/);
    expect(() => load(file, { passphraseFile: `${folder.path}/long` })).toThrow(/long: has 1025 bytes/);
    expect(() => load(file, { passphraseFile: `${folder.path}/gone` })).toThrow(/gone: there is no such file/);
  });
});

describe('what cannot be used is refused with the file and the way out', () => {
  test('a file without a certificate', () => {
    expect(() => load(lab.server.key)).toThrow(/holds no certificate \(found: PRIVATE KEY\)/);
  });

  test('a cert file without a key, when no key file is named', () => {
    expect(() => load(lab.server.cert)).toThrow(/holds no private key \(found: CERTIFICATE\): add the key .* `key`/);
  });

  test('a key file without a key', () => {
    expect(() => load(lab.server.cert, { keyFile: lab.ca.cert })).toThrow(`${lab.ca.cert}: holds no private key`);
  });

  test('a key of another certificate', () => {
    const text =
      /server\.pem: the private key in .* \(RSA 2048\) belongs to none of its certificates: CN=server \(EC prime256v1\)/;
    expect(() => load(lab.server.cert, { keyFile: lab.rsaServer.key })).toThrow(text);
  });

  test('damaged certificates and keys', () => {
    const cut = (file: string): string => read(file).replace(/\n.{40}/, '\n');
    expect(() => loadText(cut(lab.server.cert), read(lab.server.key))).toThrow(
      /certificate that begins on line 1 is damaged/,
    );
    expect(() => loadText(read(lab.server.cert), cut(lab.server.key))).toThrow(
      /private key that begins on line \d+ is damaged/,
    );
  });

  test('a key in the format of OpenSSH', () => {
    const key = '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n';
    expect(() => loadText(read(lab.server.cert), key)).toThrow(/ssh-keygen -p -m PEM/);
  });

  test('certificates wrapped in PKCS#7', () => {
    using folder = createConfigFolder({});
    const file = `${folder.path}/chain.p7b`;
    openssl('crl2pkcs7', '-nocrl', '-certfile', lab.server.cert, '-out', file);
    expect(() => load(file)).toThrow(/openssl pkcs7 -print_certs -in ".*chain\.p7b"/);
  });

  test('a key that is too small for the security level, unless the level is lowered', async () => {
    const privateKey = await generateKey({ type: 'rsa', bits: 1024 });
    const validity = { notBeforeMs: Date.now() - 1000, notAfterMs: Date.now() + 3_600_000 };
    const certificate = createCertificate({
      commonName: 'weak',
      sans: [],
      role: 'server',
      privateKey,
      issuer: undefined,
      ...validity,
    });
    using folder = createConfigFolder({ 'weak.pem': privateKeyPem(privateKey) + certificate });
    const file = `${folder.path}/weak.pem`;
    expect(() => load(file)).toThrow(/cannot be served at security level 2: its key is too small/);
    expect(load(file, { securityLevel: 1 }).leaf.subject).toBe('CN=weak');
  });
});

describe('what works but is wrong is a warning', () => {
  test('an expired certificate', () => {
    expect(load(lab.expiredClient.combined).warnings).toEqual([
      expect.stringMatching(/CN=expired-client expired on \d{4}-/),
    ]);
  });

  test('a certificate from the future', async () => {
    const privateKey = await generateKey({ type: 'ec', bits: 256 });
    const day = 24 * 60 * 60 * 1000;
    const options = { commonName: 'later', sans: [], role: 'server', privateKey, issuer: undefined } as const;
    const certificate = createCertificate({
      ...options,
      notBeforeMs: Date.now() + day,
      notAfterMs: Date.now() + 2 * day,
    });
    const { warnings } = loadText(privateKeyPem(privateKey), certificate);
    expect(warnings).toEqual([expect.stringMatching(/CN=later is not valid before \d{4}-/)]);
  });

  test.skipIf(process.platform === 'win32')('a key that other accounts can read, but not one for a group', () => {
    using folder = createConfigFolder({});
    const file = `${folder.path}/server.pem`;
    copyFileSync(lab.server.combined, file);
    chmodSync(file, 0o640);
    expect(load(file).warnings).toEqual([]);
    chmodSync(file, 0o644);
    expect(load(file).warnings).toEqual([expect.stringMatching(/every account can read it: chmod 600/)]);
  });
});
