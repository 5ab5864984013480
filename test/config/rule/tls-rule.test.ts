import { describe, expect, test } from 'vitest';
import { problemsOf, readConfig, serviceOf, serviceText } from '../../_util/config-text.ts';

const PIN = 'a'.repeat(64);

function clientAuth(text: string): readonly string[] {
  return problemsOf({ tls: `{ cert: a.pem, client-auth: { ${text} } }` });
}

describe('TLS of a service', () => {
  test('needs a certificate, whether a mapping is written or not', () => {
    expect(problemsOf({ tls: '{}' })).toContain(
      '5 error: services[0].tls.cert: is missing; name a PEM file, or write "tls: off" to listen without TLS',
    );
    expect(readConfig(serviceText().replace('    tls: off\n', '')).problems).toContainEqual(
      expect.stringContaining('2 error: services[0].tls.cert: is missing'),
    );
  });

  test('can be off, which nothing is said about', () => {
    expect(problemsOf({ tls: 'off' })).toEqual([]);
    expect(serviceOf({ tls: 'off' }).tls).toBeUndefined();
    expect(problemsOf({ tls: 'false' })).toEqual(['5 error: services[0].tls: must not be false; write off']);
  });

  test('without client-auth asks nobody for a certificate and says so', () => {
    const { config, problems } = readConfig(serviceText({ tls: '{ cert: a.pem }' }));
    expect(config?.services[0]?.tls?.clientAuth.mode).toBe('none');
    expect(problems).toEqual([
      expect.stringContaining('5 warning: services[0].tls: without client-auth anybody may connect'),
    ]);
  });

  test('client-auth does not stand beside tls', () => {
    expect(problemsOf({ extra: 'client-auth: { ca: a.pem }' })).toEqual([
      '8 error: services[0].client-auth: is not a known key; it belongs below tls',
    ]);
  });

  test('pre-shared keys take the place of a certificate, and let nobody else in', () => {
    expect(problemsOf({ tls: '{ psk-file: psk }' })).toEqual([]);
    expect(serviceOf({ tls: '{ psk-file: psk }' }).tls).toMatchObject({ cert: undefined, pskFile: '/etc/icapgw/psk' });
    expect(problemsOf({ tls: '{ psk-file: psk, cert: a.pem }' })).toEqual([
      expect.stringContaining('without client-auth anybody may connect'),
    ]);
    expect(problemsOf({ tls: '{ psk-file: psk, key: a.pem }' })).toEqual([
      '5 error: services[0].tls.key: has no effect without cert',
    ]);
  });

  test('a secret for tickets stands in one place, is long enough, and is never repeated', () => {
    const problems = (text: string) => problemsOf({ tls: `{ cert: a.pem, client-auth: { mode: none }, ${text} }` });
    expect(problems(`ticket-secret: ${PIN}`)).toEqual([]);
    expect(problems(`ticket-secret: ${PIN}, ticket-secret-file: secret`)).toEqual([
      '5 error: services[0].tls.ticket-secret-file: does not go with ticket-secret; keep one of them',
    ]);
    expect(problems('ticket-secret: hunter2')).toEqual([
      expect.stringMatching(/tls\.ticket-secret: must be text of at least 32 characters (?!.*hunter2)/),
    ]);
    expect(problems('ticket-secret-file: secret, session-tickets: false')).toEqual([
      '5 warning: services[0].tls.ticket-secret-file: has no effect with session-tickets false',
    ]);
  });

  test.each(['TLSv1', 'TLSv1.1'])('a minimum of %s is obeyed and called weak', (version) => {
    expect(problemsOf({ tls: `{ cert: a.pem, min-version: ${version}, client-auth: { mode: none } }` })).toEqual([
      `5 warning: services[0].tls.min-version: ${version} is weak; use TLSv1.2 unless a client cannot`,
    ]);
  });

  test('a minimum above the maximum leaves nothing', () => {
    expect(
      problemsOf({ tls: '{ cert: a.pem, min-version: TLSv1.3, max-version: TLSv1.2, client-auth: { mode: none } }' }),
    ).toEqual([
      '5 error: services[0].tls.min-version: TLSv1.3 is above max-version TLSv1.2, so that no version is left',
    ]);
    expect(problemsOf({ tls: '{ cert: a.pem, min-version: TLSv1.3, client-auth: { mode: none } }' })).toEqual([]);
  });

  test('lists for OpenSSL are passed on as they are', () => {
    const tls = serviceOf({
      tls: '{ cert: a.pem, ciphers: "ECDHE+AESGCM:!aNULL:@SECLEVEL=2", ciphersuites: TLS_AES_256_GCM_SHA384, groups: "X25519:P-256", client-auth: { mode: none } }',
    }).tls;
    expect(tls).toMatchObject({
      ciphers: 'ECDHE+AESGCM:!aNULL:@SECLEVEL=2',
      ciphersuites: 'TLS_AES_256_GCM_SHA384',
      groups: 'X25519:P-256',
    });
  });

  test.each([
    'ciphers: "a;b"',
    'ciphersuites: "a b"',
    'ciphersuites: HIGH',
    'ciphersuites: "TLS_AES_128_GCM_SHA256:ALL"',
    'groups: "a,b"',
    'groups: ":"',
  ])('%s is refused', (text) => {
    expect(problemsOf({ tls: `{ cert: a.pem, ${text}, client-auth: { mode: none } }` })).toHaveLength(1);
  });
});

describe('client-auth', () => {
  test.each(['require', 'optional'])('mode %s needs a CA', (mode) => {
    expect(clientAuth(`mode: ${mode}`)).toEqual([
      expect.stringContaining(
        `5 error: services[0].tls.client-auth.ca: is missing; mode ${mode} needs the certificate`,
      ),
    ]);
    expect(clientAuth(`mode: ${mode}, ca: [ca.pem, other]`)).toEqual([]);
  });

  test('requires a certificate unless it says otherwise', () => {
    expect(serviceOf({ tls: '{ cert: a.pem, client-auth: { ca: ca.pem } }' }).tls?.clientAuth).toEqual({
      mode: 'require',
      ca: ['/etc/icapgw/ca.pem'],
      trust: 'auto',
      verify: true,
      chainAndPin: false,
      crl: [],
      allow: { subjects: [], sans: [], spkiSha256: [] },
      redirect: [],
      redirectBalance: 'in-order',
    });
  });

  test('an empty mapping requires a certificate as well', () => {
    expect(clientAuth('')).toEqual([expect.stringContaining('client-auth.ca: is missing; mode require')]);
  });

  test('mode none is taken at its word', () => {
    expect(clientAuth('mode: none')).toEqual([]);
    expect(clientAuth('mode: none, ca: ca.pem')).toEqual([
      expect.stringContaining('warning: services[0].tls.client-auth.ca: has no effect with mode none'),
    ]);
    expect(clientAuth('mode: none, allow: { sans: [a.example] }')).toEqual([
      expect.stringContaining('error: services[0].tls.client-auth.allow: has no effect with mode none'),
    ]);
  });

  test('a pinned certificate is not revoked by a list', () => {
    expect(clientAuth('ca: a.pem, crl: crl.pem, trust: pin')).toEqual([
      expect.stringContaining('error: services[0].tls.client-auth.crl: does not go with trust pin'),
    ]);
    expect(clientAuth('ca: a.pem, crl: crl.pem, trust: chain')).toEqual([]);
    expect(clientAuth('ca: a.pem, crl: crl.pem')).toEqual([]);
  });

  test('no verification is obeyed, loudly', () => {
    expect(clientAuth('mode: optional, verify: false')).toEqual([
      expect.stringContaining('warning: services[0].tls.client-auth.verify: CLIENT CERTIFICATES ARE NOT VERIFIED'),
    ]);
    expect(clientAuth('verify: false, allow: { subjects: [CN=a] }')).toContainEqual(
      expect.stringContaining('error: services[0].tls.client-auth.allow: names nobody can rely on'),
    );
  });

  test('an allow list is not a gate while a certificate is optional', () => {
    expect(clientAuth('mode: optional, ca: a.pem, allow: { subjects: [CN=a] }')).toEqual([
      expect.stringContaining('warning: services[0].tls.client-auth.allow: with mode optional'),
    ]);
  });

  test('a refused mode is the only thing said', () => {
    expect(clientAuth('mode: required')).toEqual([
      '5 error: services[0].tls.client-auth.mode: must be require, optional or none, not "required"; did you mean require?',
    ]);
  });

  test('allow takes subjects, alternative names and hashes', () => {
    const base64 = `${'A'.repeat(43)}=`;
    const colons = Array(32).fill('ab').join(':');
    expect(
      clientAuth(
        `ca: a.pem, allow: { subjects: ["CN=a b, O=c"], sans: [a.example, "DNS:a", "IP:::1", "URI:spiffe://a/b"], spki-sha256: [${PIN}, "${base64}", "${colons}"] }`,
      ),
    ).toEqual([]);
    expect(clientAuth('ca: a.pem, allow: { subjects: [""], sans: ["a b"], spki-sha256: [abcd] }')).toEqual([
      expect.stringContaining('allow.subjects[0]: must be a subject'),
      expect.stringContaining('allow.sans[0]: must be an alternative name'),
      expect.stringContaining('allow.spki-sha256[0]: must be a SHA-256 hash'),
    ]);
  });
});

describe('TLS to a backend', () => {
  test('a pre-shared key needs no CA and no name, an identity needs its file', () => {
    expect(problemsOf({ backend: 'tls: { psk-file: psk, psk-identity: gateway 1 }' })).toEqual([]);
    const unix = serviceText({ backend: 'tls: { psk-file: psk }' }).replace('10.0.0.5:1344', 'unix:/x');
    expect(readConfig(unix).problems).toEqual([]);
    expect(problemsOf({ backend: 'tls: { psk-identity: gateway 1 }' })).toEqual([
      '8 error: services[0].backends[0].tls.psk-identity: needs psk-file, with its key',
    ]);
  });

  test('verifies by the public CAs unless told otherwise', () => {
    expect(problemsOf({ backend: 'tls: {}' })).toEqual([]);
    expect(serviceOf({ backend: 'tls: {}' }).backends[0]?.tls).toEqual({
      ca: [],
      trust: 'auto',
      chainAndPin: false,
      crl: [],
      pinSha256: [],
      allow: { subjects: [], sans: [], spkiSha256: [] },
      cert: undefined,
      key: undefined,
      keyPassphraseFile: undefined,
      serverName: undefined,
      sni: true,
      verify: true,
      verifyName: true,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: undefined,
      ciphersuites: undefined,
      groups: undefined,
      securityLevel: undefined,
      sessionResumption: true,
      sessionTimeoutMs: 300_000,
    });
  });

  test.each([
    ['crl: crl.pem', 'crl: needs ca'],
    ['trust: pin', 'trust: pin needs ca'],
    ['chain-and-pin: true', 'chain-and-pin: needs ca'],
    ['ca: a.pem, trust: pin, crl: crl.pem', 'crl: does not go with trust pin'],
    [`ca: a.pem, pin-sha256: ${PIN}, crl: crl.pem`, 'crl: does not go with pin-sha256'],
    ['verify: false, allow: { sans: [a.example] }', 'allow: names nobody can rely on'],
    ['min-version: TLSv1.3, max-version: TLSv1.2', 'min-version: TLSv1.3 is above max-version'],
  ])('{ %s } is refused, because it would check less than it says', (tls, text) => {
    expect(problemsOf({ backend: `tls: { ${tls} }` })).toEqual([
      expect.stringContaining(`8 error: services[0].backends[0].tls.${text}`),
    ]);
  });

  test('without a name to check, any certificate of the CA passes: that is doubted', () => {
    expect(problemsOf({ backend: 'tls: { ca: a.pem, verify-name: false }' })).toEqual([
      expect.stringContaining('8 warning: services[0].backends[0].tls.verify-name: false: whoever has any certificate'),
    ]);
    expect(problemsOf({ backend: 'tls: { ca: a.pem, verify-name: false, allow: { sans: [a.example] } }' })).toEqual([]);
    expect(problemsOf({ backend: 'tls: { ca: a.pem, verify-name: false, trust: pin }' })).toEqual([]);
  });

  test('without verification is doubted', () => {
    expect(problemsOf({ backend: 'tls: { verify: false }' })).toEqual([
      expect.stringContaining('8 warning: services[0].backends[0].tls.verify: false: anybody'),
    ]);
  });

  test('cannot pin without verification', () => {
    expect(problemsOf({ backend: `tls: { verify: false, pin-sha256: ${PIN} }` })).toEqual([
      expect.stringContaining('8 error: services[0].backends[0].tls.verify: false does not go with pin-sha256'),
    ]);
    expect(problemsOf({ backend: `tls: { pin-sha256: ${PIN} }` })).toEqual([]);
  });

  test('a key alone is good for nothing', () => {
    expect(problemsOf({ backend: 'tls: { key: a.pem }' })).toEqual([
      expect.stringContaining('8 error: services[0].backends[0].tls.key: has no effect without cert'),
    ]);
    expect(problemsOf({ backend: 'tls: { cert: a.pem, key: a.pem }' })).toEqual([]);
  });

  test('over a Unix socket needs a name to check', () => {
    const unix = (tls: string) =>
      readConfig(serviceText({ backend: `tls: ${tls}` }).replace('10.0.0.5:1344', 'unix:/x')).problems;
    expect(unix('{}')).toEqual([
      expect.stringContaining('8 error: services[0].backends[0].tls.server-name: is missing'),
    ]);
    expect(unix('{ server-name: dlp.example }')).toEqual([]);
    expect(unix(`{ pin-sha256: ${PIN} }`)).toEqual([]);
    expect(unix('{ ca: a.pem, trust: pin }')).toEqual([]);
    expect(unix('{ ca: a.pem, allow: { sans: [a.example] } }')).toEqual([]);
    expect(unix('{ ca: a.pem, trust: pin, chain-and-pin: true }')).toHaveLength(1);
  });
});
