import { expect, test } from 'vitest';
import { findRefusedSetting } from '../../src/tls/context-check.ts';
import { loadServiceMaterial } from '../../src/tls/service-material.ts';
import { serviceTlsConfig, type TlsServiceOptions } from '../_util/tls-service.ts';

const refused = (tls: NonNullable<TlsServiceOptions['tls']>): string | undefined => {
  const config = serviceTlsConfig({ clientAuth: { mode: 'none' }, tls });
  return findRefusedSetting(config, loadServiceMaterial(config))?.key;
};

test('what OpenSSL takes is not refused', () => {
  expect(refused({})).toBeUndefined();
  expect(refused({ ciphers: 'HIGH:!aNULL', ciphersuites: 'TLS_AES_256_GCM_SHA384', groups: 'X25519:P-256' })).toBe(
    undefined,
  );
});

test.each([
  ['ciphers', { ciphers: 'NOSUCH' }],
  ['ciphers', { ciphers: 'TLS_AES_128_GCM_SHA256', securityLevel: 2 }],
  ['ciphersuites', { ciphersuites: 'TLS_NOSUCH' }],
  ['groups', { groups: 'nosuch' }],
] as const)('%s that OpenSSL does not know are told by their key', (key, tls) => {
  expect(refused(tls)).toBe(key);
});
