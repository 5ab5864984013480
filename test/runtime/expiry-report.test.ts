import { expect, test } from 'vitest';
import { expiriesOf } from '../../src/runtime/expiry-report.ts';
import { loadBackendMaterial } from '../../src/tls/backend-material.ts';
import { backendTlsConfig } from '../_util/backend-tls.ts';
import { certificates } from '../_util/certificates.ts';

const lab = certificates();

test('what a service without TLS of its own shows to its backends, and trusts there, expires too', () => {
  const tls = backendTlsConfig({ ca: [lab.ca.cert], crl: [lab.crl], cert: lab.client.combined });
  const backend = loadBackendMaterial(tls);
  const loaded = { material: undefined, backendMaterial: [backend, undefined, backend] };
  const found = expiriesOf(loaded, Date.now()).map(({ kind, subject }) => `${kind} ${subject}`);
  expect(found.toSorted()).toEqual(['backend-ca CN=lab-ca', 'backend-client CN=client', 'crl CN=lab-ca']);
});

test('nothing expires where everything is in clear', () => {
  expect(expiriesOf({ material: undefined, backendMaterial: [undefined] }, Date.now())).toEqual([]);
});
