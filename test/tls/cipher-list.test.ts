import { expect, test } from 'vitest';
import { cipherList } from '../../src/tls/cipher-list.ts';

const OFFER = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', groups: undefined, securityLevel: undefined } as const;

test('the two lists stand in one, suites first', () => {
  const ciphersuites = 'TLS_AES_128_GCM_SHA256';
  expect(cipherList({ ...OFFER, ciphersuites, ciphers: 'HIGH:!aNULL', securityLevel: 2 })).toBe(
    'TLS_AES_128_GCM_SHA256:HIGH:!aNULL:@SECLEVEL=2',
  );
});

test('a suite of TLS 1.3 among the older ciphers adds nothing to those of TLS 1.3', () => {
  const ciphersuites = 'TLS_AES_256_GCM_SHA384';
  expect(cipherList({ ...OFFER, ciphersuites, ciphers: 'HIGH:TLS_AES_128_CCM_SHA256' })).toBe(
    'TLS_AES_256_GCM_SHA384:HIGH',
  );
});
