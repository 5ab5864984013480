import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadKeyPair } from '../../src/tls/material.ts';
import { loadKeyStore } from '../../src/tls/pkcs12.ts';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { openssl } from '../_util/openssl.ts';

const lab = certificates();

/** Makes a PKCS#12 file with openssl, and hands it over together with the folder it is in. */
function withStore<T>(args: readonly string[], use: (file: string, folder: string) => T): T {
  using folder = createConfigFolder({ passphrase: 'correct horse\n', wrong: 'battery staple\n' });
  const file = `${folder.path}/server.p12`;
  const made = openssl('pkcs12', '-export', '-out', file, ...args);
  expect(made.exitCode, made.output).toBe(0);
  return use(file, folder.path);
}

const files = ({ cert, key }: { readonly cert: string; readonly key: string }) => ['-in', cert, '-inkey', key];
const OPEN = ['-passout', 'pass:'];
const LOCKED = ['-passout', 'pass:correct horse'];
const OLD = ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'];

describe('a PKCS#12 file', () => {
  test.each([
    { name: 'an RSA key', args: [...files(lab.rsaServer), ...OPEN], identity: lab.rsaServer },
    { name: 'an EC key', args: [...files(lab.server), ...OPEN], identity: lab.server },
    {
      name: 'an RSA key in the ciphers of long ago',
      args: [...files(lab.rsaServer), ...OLD, ...OPEN],
      identity: lab.rsaServer,
    },
    {
      name: 'an EC key in the ciphers of long ago',
      args: [...files(lab.server), ...OLD, ...OPEN],
      identity: lab.server,
    },
    {
      name: 'nothing encrypted',
      args: [...files(lab.server), ...OPEN, '-keypbe', 'NONE', '-certpbe', 'NONE'],
      identity: lab.server,
    },
    { name: 'no MAC', args: [...files(lab.rsaServer), ...OPEN, '-nomac'], identity: lab.rsaServer },
  ])('with $name holds what openssl put in', ({ args, identity }) => {
    withStore(args, (file) => {
      const blocks = loadKeyStore(file, undefined);
      expect(blocks.map(({ label }) => label).sort()).toEqual(['CERTIFICATE', 'PRIVATE KEY']);
      const [key, cert] = ['PRIVATE KEY', 'CERTIFICATE'].map(
        (label) => blocks.find((block) => block.label === label)?.text ?? '',
      );
      expect(new X509Certificate(cert ?? '').raw).toEqual(new X509Certificate(readFileSync(identity.cert)).raw);
      expect(createPrivateKey(key ?? '').equals(createPrivateKey(readFileSync(identity.key)))).toBe(true);
    });
  });

  test('gives a pair with its chain', () => {
    const { chain, key } = lab.viaIntermediateClient;
    withStore(['-in', chain, '-inkey', key, ...OPEN], (certFile) => {
      const pair = loadKeyPair({ certFile, keyFile: undefined, passphraseFile: undefined, securityLevel: undefined });
      expect(pair.leaf.subject).toBe('CN=via-intermediate');
      expect(pair.chain.map(({ subject }) => subject)).toEqual(['CN=intermediate-ca']);
    });
  });

  test('is opened by the first line of the passphrase file', () => {
    withStore([...files(lab.server), ...LOCKED], (file, folder) => {
      expect(loadKeyStore(file, `${folder}/passphrase`)).toHaveLength(2);
    });
  });

  test('with another passphrase is told from one without any', () => {
    withStore([...files(lab.server), ...LOCKED], (file, folder) => {
      expect(() => loadKeyStore(file, `${folder}/wrong`)).toThrow(/the passphrase in .*wrong does not open/);
      expect(() => loadKeyStore(file, undefined)).toThrow('has a passphrase: name the file that holds it');
    });
  });

  test('that is damaged is told with the way out', () => {
    withStore([...files(lab.server), ...OPEN], (file) => {
      const bytes = readFileSync(file);
      bytes.fill(0, 40, 60);
      writeFileSync(file, bytes);
      expect(() => loadKeyStore(file, undefined)).toThrow(
        /server\.p12: this PKCS#12 file .*(?:cannot be read|passphrase)/,
      );
    });
  });
});

test('a PEM file is read as it stands', () => {
  expect(loadKeyStore(lab.server.combined, undefined).map(({ label }) => label)).toEqual([
    'PRIVATE KEY',
    'CERTIFICATE',
  ]);
});
