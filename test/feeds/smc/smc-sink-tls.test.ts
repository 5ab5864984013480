import { expect, test } from 'vitest';
import type { CertificateLab, LabIdentity } from '../../_util/certificate-lab.ts';
import { certificates } from '../../_util/certificates.ts';
import { LINGER_MS, startSmcRig } from '../../_util/smc-rig.ts';

interface Case {
  readonly name: string;
  readonly shows: (lab: CertificateLab) => LabIdentity;
  readonly ca: (lab: CertificateLab) => string | undefined;
}

test.each<Case>([
  { name: 'whose CA is trusted', shows: ({ server }) => server, ca: ({ ca }) => ca.cert },
  {
    name: 'whose own certificate is the trusted one',
    shows: ({ selfSignedServer }) => selfSignedServer,
    ca: ({ selfSignedServer }) => selfSignedServer.cert,
  },
  {
    name: 'whose own certificate is the trusted one, whomever it names',
    shows: ({ elsewhereServer }) => elsewhereServer,
    ca: ({ elsewhereServer }) => elsewhereServer.cert,
  },
])('an SMC $name is taken for it', async ({ shows, ca }) => {
  const lab = certificates();
  await using rig = await startSmcRig({ tls: shows(lab), config: { ca: ca(lab) } });
  await rig.put('198.51.100.0');
  await rig.session(LINGER_MS);
  expect(rig.smc.addressesOf('NGFW 1')).toEqual(['198.51.100.0']);
});

test.each<Case>([
  { name: 'nobody vouches for', shows: ({ selfSignedServer }) => selfSignedServer, ca: () => undefined },
  { name: 'of another CA', shows: ({ otherServer }) => otherServer, ca: ({ ca }) => ca.cert },
  { name: 'of another name', shows: ({ elsewhereServer }) => elsewhereServer, ca: ({ ca }) => ca.cert },
  { name: 'that has expired', shows: ({ expiredServer }) => expiredServer, ca: ({ ca }) => ca.cert },
  {
    name: 'that is not the trusted one',
    shows: ({ selfSignedServer }) => selfSignedServer,
    ca: ({ elsewhereServer }) => elsewhereServer.cert,
  },
])('an SMC with a certificate $name is told nothing, and asked again', async ({ shows, ca }) => {
  const lab = certificates();
  await using rig = await startSmcRig({ tls: shows(lab), config: { ca: ca(lab) } });
  await rig.put('198.51.100.0');
  await rig.session(LINGER_MS);
  await rig.session(1000);
  expect(rig.smc.calls).toEqual([]);
  expect(rig.counts.get('versions error')).toBe(2);
  expect(rig.sink.status().lastError).toMatch(/certificate/i);
});

test('a CA file that cannot be used ends the start', async () => {
  const { server } = certificates();
  await expect(startSmcRig({ config: { ca: '/nowhere/ca.pem' } })).rejects.toMatchObject({
    code: 'ICAPGW_TLS_MATERIAL',
    file: '/nowhere/ca.pem',
  });
  await expect(startSmcRig({ config: { ca: server.key } })).rejects.toMatchObject({ code: 'ICAPGW_TLS_MATERIAL' });
});
