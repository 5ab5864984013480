import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { BackendTlsConfig } from '../../src/config/tls-config.ts';
import { backendFilesOf, loadBackendMaterial } from '../../src/tls/backend-material.ts';
import { backendTlsConfig } from '../_util/backend-tls.ts';
import { certificates } from '../_util/certificates.ts';

const lab = certificates();

test('without files the runtime trusts its public CAs and shows nothing', () => {
  const tls = backendTlsConfig();
  expect(loadBackendMaterial(tls)).toEqual({
    ...{ tls, trust: undefined, keyPair: undefined, psk: undefined },
    ...{ pins: [], pskWarnings: [] },
  });
});

test('a CA is trusted, and a certificate that is none is pinned', () => {
  const load = (change: Partial<BackendTlsConfig>) => loadBackendMaterial(backendTlsConfig(change)).trust;
  expect(load({ ca: [lab.ca.cert, lab.otherCa.cert], crl: [lab.crl] })).toMatchObject({
    mode: 'chain',
    caPem: [readFileSync(lab.ca.cert, 'utf8'), readFileSync(lab.otherCa.cert, 'utf8')],
    crlPem: [expect.stringContaining('X509 CRL')],
  });
  expect(load({ ca: [lab.server.cert] })).toMatchObject({ mode: 'pin', caPem: [] });
  expect(load({ ca: [lab.ca.cert, lab.server.cert], chainAndPin: true })?.mode).toBe('chain-and-pin');
  expect(load({ ca: [lab.ca.cert], verify: false })).toBeUndefined();
});

test('the files that are looked at for changes are those that are read', () => {
  const tls = backendTlsConfig({ ca: ['ca'], crl: ['crl'], cert: 'cert', key: 'key', keyPassphraseFile: 'pass' });
  expect(backendFilesOf(tls)).toEqual(['cert', 'key', 'pass', 'ca', 'crl']);
  expect(backendFilesOf(backendTlsConfig())).toEqual([]);
});

test('the key for client authentication may be encrypted', () => {
  const { cert, key, passphraseFile } = lab.encryptedServer;
  const material = loadBackendMaterial(backendTlsConfig({ cert, key, keyPassphraseFile: passphraseFile }));
  expect(material.keyPair?.leaf.subject).toBe('CN=server');
  expect(structuredClone(material)).toEqual(material);
});

test('pins are brought into one form', () => {
  const colons = new X509Certificate(readFileSync(lab.server.cert)).fingerprint256;
  const hex = colons.replaceAll(':', '').toLowerCase();
  const base64 = Buffer.from(hex, 'hex').toString('base64');
  expect(loadBackendMaterial(backendTlsConfig({ pinSha256: [colons, base64] })).pins).toEqual([hex, hex]);
});

test.each<{ readonly name: string; readonly change: Partial<BackendTlsConfig>; readonly text: string | RegExp }>([
  { name: 'a pin that is none', change: { pinSha256: ['AB:CD'] }, text: /AB:CD: is no SHA-256/ },
  {
    name: 'a key without a certificate',
    change: { key: lab.client.key },
    text: /is a private key for a backend without/,
  },
  { name: 'a missing CA', change: { ca: ['/nowhere/ca.pem'] }, text: '/nowhere/ca.pem: there is no such file' },
  {
    name: 'a chain to a certificate that is no CA',
    change: { ca: [lab.otherClient.cert], trust: 'chain' },
    text: /holds no CA, only certificates of backends/,
  },
  {
    name: 'a list that is asked about nobody',
    change: { ca: [lab.server.cert], crl: [lab.crl] },
    text: /would be asked about nobody/,
  },
  { name: 'another key', change: { cert: lab.client.cert, key: lab.server.key }, text: /belongs to none/ },
])('$name is refused', ({ change, text }) => {
  expect(() => loadBackendMaterial(backendTlsConfig(change))).toThrow(text);
});
