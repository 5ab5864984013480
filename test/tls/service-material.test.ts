import { describe, expect, test } from 'vitest';
import type { ClientAuthConfig } from '../../src/config/tls-config.ts';
import { loadServiceMaterial, materialWarnings } from '../../src/tls/service-material.ts';
import { certificates } from '../_util/certificates.ts';
import { EVERYBODY, serviceTlsConfig, type TlsServiceOptions } from '../_util/tls-service.ts';

const lab = certificates();
const load = (clientAuth: Partial<ClientAuthConfig>, tls: TlsServiceOptions['tls'] = {}) =>
  loadServiceMaterial(serviceTlsConfig({ clientAuth, tls }));

describe('what a service loads', () => {
  test('can be sent to a worker', () => {
    const material = load({ ca: [lab.ca.cert], crl: [lab.crl] });
    expect(structuredClone(material)).toEqual(material);
  });

  test('an encrypted key is opened with its passphrase', () => {
    const { combined: cert, passphraseFile: keyPassphraseFile } = lab.encryptedServer;
    expect(load({ mode: 'none' }, { cert, keyPassphraseFile }).keyPair?.leaf.subject).toBe('CN=server');
  });

  test.each<[string, Partial<ClientAuthConfig>]>([
    ['asks nobody', { mode: 'none' }],
    ['verifies nobody', { verify: false }],
  ])('a service that %s reads no trust, not even a file that is missing', (_, change) => {
    expect(load({ ca: ['/nowhere/ca.pem'], crl: ['/nowhere/crl.pem'], ...change }).trust).toBeUndefined();
  });

  test('a service that verifies without any CA does not load', () => {
    expect(() => load({})).toThrow(/no client could be accepted/);
  });

  test('a missing file is named', () => {
    expect(() => load({ ca: ['/nowhere/ca.pem'] })).toThrow(expect.objectContaining({ file: '/nowhere/ca.pem' }));
  });

  test('warnings of key, trust and lists come together', () => {
    const warnings = materialWarnings(load({ ca: [lab.ca.cert, lab.expiredClient.cert], crl: [lab.expiredCrl] }));
    expect(warnings).toEqual([
      expect.stringContaining('CN=expired-client expired'),
      expect.stringContaining('the revocation list of CN=lab-ca is out of date'),
    ]);
  });
});

describe('the policy hash', () => {
  const base: Partial<ClientAuthConfig> = { ca: [lab.ca.cert] };
  const hash = (change: Partial<ClientAuthConfig>): string => load({ ...base, ...change }).policyHash;

  test('stays while the policy does', () => {
    expect(hash({})).toBe(hash({ trust: 'chain' }));
    expect(hash({ ca: [lab.ca.cert, lab.otherCa.cert] })).toBe(hash({ ca: [lab.otherCa.cert, lab.ca.cert] }));
    expect(hash({})).toBe(load(base, { cert: lab.rsaServer.combined }).policyHash);
  });

  test('differs with everything that decides whom the service lets in', () => {
    const changes: readonly Partial<ClientAuthConfig>[] = [
      {},
      { mode: 'none' },
      { mode: 'optional' },
      { verify: false },
      { mode: 'optional', verify: false },
      { ca: [lab.otherCa.cert] },
      { ca: [lab.ca.cert, lab.client.cert] },
      { trust: 'pin' },
      { chainAndPin: true },
      { crl: [lab.crl] },
      { crl: [lab.expiredCrl] },
      { allow: { ...EVERYBODY, subjects: ['CN=client'] } },
      { allow: { ...EVERYBODY, sans: ['CN=client'] } },
      { allow: { ...EVERYBODY, spkiSha256: ['CN=client'] } },
    ];
    expect(new Set(changes.map(hash)).size).toBe(changes.length);
  });
});
