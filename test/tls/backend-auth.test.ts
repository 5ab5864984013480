import { hash, X509Certificate } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BackendTlsConfig } from '../../src/config/tls-config.ts';
import { BackendAuth } from '../../src/tls/backend-auth.ts';
import { loadBackendMaterial } from '../../src/tls/backend-material.ts';
import { backendTlsConfig } from '../_util/backend-tls.ts';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { EVERYBODY } from '../_util/tls-service.ts';

const lab = certificates();

function certificateOf({ cert }: LabIdentity): X509Certificate {
  return new X509Certificate(readFileSync(cert));
}

function keyPinOf(identity: LabIdentity): string {
  return hash('sha256', certificateOf(identity).publicKey.export({ type: 'spki', format: 'der' }), 'hex');
}

const pinOf = (identity: LabIdentity): string => certificateOf(identity).fingerprint256;

interface Shown {
  readonly of?: LabIdentity;
  readonly verifyCode?: string;
  readonly hasProvedKey?: boolean;
}

/** Why a backend at localhost that shows this is not who it must be. */
function reasonFor(change: Partial<BackendTlsConfig>, { of, verifyCode, hasProvedKey = false }: Shown) {
  const auth = new BackendAuth(loadBackendMaterial(backendTlsConfig(change)));
  const evidence = { verifyCode, certificate: of && certificateOf(of), hasProvedKey };
  return auth.judge(evidence, 'localhost', Date.now())?.reason;
}

describe('a certificate', () => {
  const ca = [lab.ca.cert];

  test.each<[string, Partial<BackendTlsConfig>, Shown, string | undefined]>([
    ['of a CA that names the server', { ca }, { of: lab.server }, undefined],
    ['that OpenSSL found something wrong with', { ca }, { of: lab.server, verifyCode: 'CERT_HAS_EXPIRED' }, 'expired'],
    ['that is missing', { ca }, {}, 'no-certificate'],
    ['that is missing, beside a pin', { pinSha256: [pinOf(lab.server)] }, {}, 'no-certificate'],
    ['that names another server', { ca }, { of: lab.elsewhereServer }, 'not-allowed'],
    [
      'that names another server, where names do not count',
      { ca, verifyName: false },
      { of: lab.elsewhereServer },
      undefined,
    ],
    [
      'that names another server and is there itself',
      { ca: [lab.elsewhereServer.cert] },
      { of: lab.elsewhereServer },
      undefined,
    ],
    [
      'that names another server, which is allowed',
      { ca, allow: { ...EVERYBODY, sans: ['elsewhere.example'] } },
      { of: lab.elsewhereServer },
      undefined,
    ],
    ['of any kind where nothing is verified', { verify: false }, { of: lab.otherServer, verifyCode: 'X' }, undefined],
    ['that is missing where nothing is verified', { verify: false }, {}, undefined],
  ])('%s', (_, change, shown, reason) => {
    expect(reasonFor(change, shown)).toBe(reason);
  });

  test.each<[string, LabIdentity, Partial<BackendTlsConfig>, string | undefined]>([
    ['passes whatever OpenSSL says', lab.server, {}, undefined],
    ['may be so by its key', lab.server, { pinSha256: [keyPinOf(lab.server)] }, undefined],
    ['by the key of another is not', lab.server, { pinSha256: [keyPinOf(lab.otherServer)] }, 'not-pinned'],
    ['is no other one', lab.otherServer, {}, 'not-pinned'],
    [
      'has to be on the allow list',
      lab.server,
      { allow: { ...EVERYBODY, sans: ['elsewhere.example'] } },
      'not-allowed',
    ],
    ['is on the allow list', lab.server, { allow: { ...EVERYBODY, sans: ['localhost'] } }, undefined],
  ])('that is pinned %s', (_, of, change, reason) => {
    const pinned = { pinSha256: [pinOf(lab.server)], ...change };
    expect(reasonFor(pinned, { of, verifyCode: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' })).toBe(reason);
  });
});

describe('where there is a pre-shared key', () => {
  const KEYED = { hasProvedKey: true };

  test.each<[string, Partial<BackendTlsConfig>, Shown, string | undefined]>([
    ['who knows it needs no certificate', {}, KEYED, undefined],
    ['who knows it needs none beside a CA either', { ca: [lab.ca.cert] }, KEYED, undefined],
    ['a certificate of a public CA does not stand in its place', {}, { of: lab.server }, 'no-key'],
    ['one does not where nothing is verified', { verify: false, ca: [lab.ca.cert] }, { of: lab.server }, 'no-key'],
    ['nothing does not where nothing is verified', { verify: false, pinSha256: [pinOf(lab.server)] }, {}, 'no-key'],
    ['one of a CA that is named does', { ca: [lab.ca.cert] }, { of: lab.server }, undefined],
    ['one of that CA for another server does not', { ca: [lab.ca.cert] }, { of: lab.elsewhereServer }, 'not-allowed'],
    ['one that is pinned does', { pinSha256: [pinOf(lab.server)] }, { of: lab.server }, undefined],
    ['one that is not pinned does not', { pinSha256: [pinOf(lab.server)] }, { of: lab.otherServer }, 'not-pinned'],
  ])('%s', (_, change, shown, reason) => {
    using folder = createConfigFolder({ psk: 'gateway:00112233445566778899aabbccddeeff' });
    const pskFile = join(folder.path, 'psk');
    chmodSync(pskFile, 0o600);
    expect(reasonFor({ pskFile, ...change }, shown)).toBe(reason);
  });
});
