import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { BackendTlsConfig } from '../../src/config/config.ts';
import { loadBackendMaterial } from '../../src/tls/backend-material.ts';
import { certificates } from '../_util/certificates.ts';

const lab = certificates();

const NOTHING: BackendTlsConfig = {
  ca: [],
  pinSha256: [],
  cert: undefined,
  key: undefined,
  keyPassphraseFile: undefined,
  serverName: undefined,
  verify: true,
};

test('without files the runtime trusts its public CAs and shows nothing', () => {
  expect(loadBackendMaterial(NOTHING)).toEqual({
    caPem: undefined,
    keyPair: undefined,
    pins: [],
    serverName: undefined,
    verify: true,
  });
});

test('its CAs come one by one, and name and check as configured', () => {
  const config = { ...NOTHING, ca: [lab.ca.cert, lab.otherCa.cert], serverName: 'dlp.example', verify: false };
  expect(loadBackendMaterial(config)).toMatchObject({
    caPem: [readFileSync(lab.ca.cert, 'utf8'), readFileSync(lab.otherCa.cert, 'utf8')],
    serverName: 'dlp.example',
    verify: false,
  });
});

test('the key for client authentication may be encrypted', () => {
  const { cert, key, passphraseFile } = lab.encryptedServer;
  const material = loadBackendMaterial({ ...NOTHING, cert, key, keyPassphraseFile: passphraseFile });
  expect(material.keyPair?.leaf.subject).toBe('CN=server');
  expect(structuredClone(material)).toEqual(material);
});

test('pins are brought into one form', () => {
  const colons = new X509Certificate(readFileSync(lab.server.cert)).fingerprint256;
  const hex = colons.replaceAll(':', '').toLowerCase();
  const base64 = Buffer.from(hex, 'hex').toString('base64');
  expect(loadBackendMaterial({ ...NOTHING, pinSha256: [colons, base64] }).pins).toEqual([hex, hex]);
});

test.each([
  { name: 'a pin that is none', change: { pinSha256: ['AB:CD'] }, text: /AB:CD: is no SHA-256/ },
  {
    name: 'a key without a certificate',
    change: { key: lab.client.key },
    text: /is a private key for a backend without/,
  },
  { name: 'a missing CA', change: { ca: ['/nowhere/ca.pem'] }, text: '/nowhere/ca.pem: there is no such file' },
  { name: 'another key', change: { cert: lab.client.cert, key: lab.server.key }, text: /belongs to none/ },
])('$name is refused', ({ change, text }) => {
  expect(() => loadBackendMaterial({ ...NOTHING, ...change })).toThrow(text);
});
