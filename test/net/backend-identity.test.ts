import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { SecureVersion, TLSSocket, TlsOptions } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import type { BackendTlsConfig } from '../../src/config/tls-config.ts';
import { UpstreamError } from '../../src/errors.ts';
import type { BackendIdentity } from '../../src/net/backend-identity.ts';
import { type BackendRefusal, dial, dialOnce } from '../../src/net/dialer.ts';
import { loadBackendMaterial } from '../../src/tls/backend-material.ts';
import {
  backendTlsConfig,
  dialOptions,
  identityOf,
  NEVER,
  startTlsBackend,
  visitBackend,
  WELCOME,
} from '../_util/backend-tls.ts';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { VERSIONS } from '../_util/tls-client.ts';

const lab = certificates();
const DAY_MS = 24 * 60 * 60 * 1000;

const SERVERS = {
  good: lab.server,
  rsa: lab.rsaServer,
  elsewhere: lab.elsewhereServer,
  revoked: lab.revokedServer,
  expired: lab.expiredServer,
  clientOnly: lab.client,
  other: lab.otherServer,
  selfSigned: lab.selfSignedServer,
} satisfies Record<string, LabIdentity>;

type Verdicts = Readonly<Record<keyof typeof SERVERS, string>>;

/** `ok`, or why there is no connection. */
function verdictOf(port: number, identity: BackendIdentity): Promise<string> {
  return new Promise((resolve) => {
    dial(dialOptions(port, { identity }), {
      onConnect: (socket) => {
        socket.destroy();
        resolve('ok');
      },
      onFail: (error, refusal) => resolve(refusal?.reason ?? error.code),
    });
  });
}

const CHAIN: Verdicts = {
  good: 'ok',
  rsa: 'ok',
  elsewhere: 'ok',
  revoked: 'ok',
  expired: 'expired',
  clientOnly: 'wrong-purpose',
  other: 'unknown-ca',
  selfSigned: 'self-signed',
};
const LISTED: Verdicts = { ...CHAIN, revoked: 'revoked' };
const NOBODY: Verdicts = {
  good: 'not-pinned',
  rsa: 'not-pinned',
  elsewhere: 'not-pinned',
  revoked: 'not-pinned',
  expired: 'not-pinned',
  clientOnly: 'not-pinned',
  other: 'not-pinned',
  selfSigned: 'not-pinned',
};

describe('who is taken for the backend', () => {
  test.each<{ readonly name: string; readonly tls: Partial<BackendTlsConfig>; readonly verdicts: Verdicts }>([
    {
      name: 'whoever is there, without verification',
      tls: { verify: false },
      verdicts: Object.fromEntries(Object.keys(SERVERS).map((name) => [name, 'ok'])) as Verdicts,
    },
    {
      name: 'nobody of these, by the public CAs',
      tls: {},
      verdicts: {
        ...CHAIN,
        good: 'unknown-ca',
        rsa: 'unknown-ca',
        elsewhere: 'unknown-ca',
        revoked: 'unknown-ca',
        clientOnly: 'unknown-ca',
      },
    },
    { name: 'whom the CA vouches for', tls: { ca: [lab.ca.cert], verifyName: false }, verdicts: CHAIN },
    {
      name: 'whom the CA vouches for under the name of the host',
      tls: { ca: [lab.ca.cert] },
      verdicts: { ...CHAIN, elsewhere: 'not-allowed' },
    },
    {
      name: 'whom the CA vouches for under server-name',
      tls: { ca: [lab.ca.cert], serverName: 'elsewhere.example' },
      verdicts: { ...CHAIN, good: 'not-allowed', rsa: 'not-allowed', revoked: 'not-allowed' },
    },
    {
      name: 'whom the CA vouches for and the allow list names, whatever the host is called',
      tls: { ca: [lab.ca.cert], allow: { subjects: [], sans: ['DNS:elsewhere.example'], spkiSha256: [] } },
      verdicts: { ...CHAIN, good: 'not-allowed', rsa: 'not-allowed', revoked: 'not-allowed' },
    },
    { name: 'nobody who was revoked', tls: { ca: [lab.ca.cert], crl: [lab.crl], verifyName: false }, verdicts: LISTED },
    {
      name: 'nobody, where the list is out of date',
      tls: { ca: [lab.ca.cert], crl: [lab.expiredCrl], verifyName: false },
      verdicts: {
        ...CHAIN,
        good: 'crl-expired',
        rsa: 'crl-expired',
        elsewhere: 'crl-expired',
        revoked: expect.any(String),
        clientOnly: expect.any(String),
      },
    },
    { name: 'a pinned certificate of a CA', tls: { ca: [lab.server.cert] }, verdicts: { ...NOBODY, good: 'ok' } },
    {
      name: 'a pinned self-signed certificate',
      tls: { ca: [lab.selfSignedServer.cert], trust: 'pin' },
      verdicts: { ...NOBODY, selfSigned: 'ok' },
    },
    {
      name: 'nobody by a pinned certificate that has expired',
      tls: { ca: [lab.expiredServer.cert] },
      verdicts: { ...NOBODY, expired: 'expired' },
    },
    {
      name: 'a pinned certificate only if the allow list names it',
      tls: { ca: [lab.server.cert], allow: { subjects: [], sans: ['DNS:elsewhere.example'], spkiSha256: [] } },
      verdicts: { ...NOBODY, good: 'not-allowed' },
    },
    {
      name: 'who has a chain and is pinned',
      tls: { ca: [lab.ca.cert, lab.server.cert], chainAndPin: true, verifyName: false },
      verdicts: { ...CHAIN, rsa: 'not-pinned', elsewhere: 'not-pinned', revoked: 'not-pinned', expired: 'not-pinned' },
    },
  ])('$name', async ({ tls, verdicts }) => {
    const identity = identityOf(tls);
    const found: Record<string, string> = {};
    for (const [name, server] of Object.entries(SERVERS)) {
      await using backend = await startTlsBackend(server);
      found[name] = await verdictOf(backend.port, identity);
    }
    expect(found).toMatchObject({ ...verdicts, ...(tls.chainAndPin === true && { expired: expect.any(String) }) });
  });
});

describe('a session with a backend', () => {
  test.each(VERSIONS)('is resumed, with %s', async (version) => {
    await using backend = await startTlsBackend(lab.server, { maxVersion: version });
    const identity = identityOf({ ca: [lab.ca.cert] });
    for (let count = 0; count < 3; count += 1) expect(await visitBackend(backend.port, identity)).toBe(WELCOME);
    expect(backend.visits.map(({ resumed }) => resumed)).toEqual([false, true, true]);
  });

  test('is resumed with nobody but the place it was made with', async () => {
    await using backend = await startTlsBackend(lab.server);
    const identity = identityOf({ ca: [lab.ca.cert] });
    for (const hostName of ['localhost', '127.0.0.1', 'localhost']) {
      await visitBackend(backend.port, identity, { hostName });
    }
    expect(backend.visits.map(({ resumed }) => resumed)).toEqual([false, false, true]);
  });

  test('is not resumed where that is switched off', async () => {
    await using backend = await startTlsBackend(lab.server);
    const identity = identityOf({ ca: [lab.ca.cert], sessionResumption: false });
    for (let count = 0; count < 2; count += 1) await visitBackend(backend.port, identity);
    expect(backend.visits.map(({ resumed }) => resumed)).toEqual([false, false]);
  });

  test.each(VERSIONS)('is judged by what the full handshake showed, with %s', async (version) => {
    await using backend = await startTlsBackend(lab.server, { maxVersion: version });
    const pinned = identityOf({ ca: [lab.server.cert], allow: { subjects: ['CN=server'], sans: [], spkiSha256: [] } });
    for (let count = 0; count < 2; count += 1) expect(await visitBackend(backend.port, pinned)).toBe(WELCOME);
    expect(backend.visits.map(({ resumed }) => resumed)).toEqual([false, true]);
  });

  test('does not let a certificate outlive its end', async () => {
    await using backend = await startTlsBackend(lab.server);
    const identity = identityOf({ ca: [lab.ca.cert], sessionTimeoutMs: Number.POSITIVE_INFINITY });
    expect(await visitBackend(backend.port, identity)).toBe(WELCOME);
    const raw = connect(backend.port, '127.0.0.1');
    await once(raw, 'connect');
    const handshake = identity.begin(raw, { hostName: 'localhost', addressText: `127.0.0.1:${backend.port}` });
    handshake.socket.on('error', () => handshake.socket.destroy());
    await once(handshake.socket, 'secureConnect');
    expect(handshake.socket.isSessionReused()).toBe(true);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 366 * DAY_MS });
    try {
      expect(handshake.judge()).toMatchObject({ reason: 'expired' });
      expect(handshake.subject).toBe('CN=server');
    } finally {
      vi.useRealTimers();
      handshake.socket.destroy();
    }
  });

  test('is not kept of a backend that was refused', async () => {
    // With TLS 1.2 the session comes before the verdict.
    await using backend = await startTlsBackend(lab.elsewhereServer, { maxVersion: 'TLSv1.2' });
    const identity = identityOf({ ca: [lab.ca.cert] });
    for (let count = 0; count < 2; count += 1) expect(await verdictOf(backend.port, identity)).toBe('not-allowed');
    expect(backend.visits.map(({ resumed }) => resumed)).toEqual([false, false]);
  });
});

describe('what a backend sees', () => {
  test.each<readonly [string, Partial<BackendTlsConfig>, string, string]>([
    ['the name of the host', {}, 'localhost', 'localhost'],
    ['server-name in its place', { serverName: 'elsewhere.example' }, 'localhost', 'elsewhere.example'],
    ['no name for an address', {}, '127.0.0.1', ''],
    ['no name where that is switched off', { sni: false }, 'localhost', ''],
  ])('%s', async (_, tls, hostName, expected) => {
    await using backend = await startTlsBackend(lab.server);
    await visitBackend(backend.port, identityOf({ verify: false, ...tls }), { hostName });
    expect(backend.visits).toMatchObject([{ serverName: expected }]);
  });

  test('our certificate, when it asks for one', async () => {
    await using backend = await startTlsBackend(lab.server, { requestCert: true, rejectUnauthorized: false });
    await visitBackend(backend.port, identityOf({ verify: false, cert: lab.client.combined }));
    expect(backend.visits).toMatchObject([{ clientName: 'client' }]);
  });

  test('the versions, ciphers and groups we were told to offer', async () => {
    await using backend = await startTlsBackend(lab.rsaServer);
    const older = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', groups: 'P-384' } as const;
    await visitBackend(backend.port, identityOf({ verify: false, ...older }));
    await visitBackend(backend.port, identityOf({ verify: false, ciphersuites: 'TLS_CHACHA20_POLY1305_SHA256' }));
    expect(backend.visits).toMatchObject([
      { version: 'TLSv1.2', cipher: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256' },
      { version: 'TLSv1.3', cipher: 'TLS_CHACHA20_POLY1305_SHA256' },
    ]);
  });

  test('nothing we were told not to offer', async () => {
    await using backend = await startTlsBackend(lab.server, { maxVersion: 'TLSv1.2' });
    expect(await verdictOf(backend.port, identityOf({ verify: false, minVersion: 'TLSv1.3' }))).toBe('version');
    expect(backend.visits).toEqual([]);
  });
});

test('what is told of a connection is what was agreed on', async () => {
  await using backend = await startTlsBackend(lab.server);
  const identity = identityOf({ ca: [lab.ca.cert] });
  const facts = async () => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    dial(dialOptions(backend.port, { identity }), {
      onConnect: (socket) => {
        resolve(identity.describe(socket as Parameters<BackendIdentity['describe']>[0]));
        socket.on('error', reject).resume();
        socket.on('end', () => socket.destroy());
      },
      onFail: reject,
    });
    return await promise;
  };
  const agreed = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', serverName: 'localhost' };
  expect(await facts()).toEqual({ ...agreed, resumed: false, subject: 'CN=server' });
  await visitBackend(backend.port, identity);
  expect(await facts()).toEqual({ ...agreed, resumed: true, subject: undefined });
});

describe('with a pre-shared key', () => {
  const key = 'what both know well';
  const SUITES = 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256';
  const CIPHERS = 'ECDHE-PSK-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256';
  using folder = createConfigFolder({ psk: `first:${key}\nsecond:something else again\n` });
  const pskFile = join(folder.path, 'psk');
  const base: Partial<BackendTlsConfig> = { pskFile, ciphers: CIPHERS };
  // Read while the folder is there.
  const keyed = identityOf(base);
  const other = identityOf({ ...base, pskIdentity: 'second' });
  const alsoByCertificate = identityOf({ ...base, ca: [lab.ca.cert] });
  const unverified = identityOf({ ...base, verify: false });

  const knowing = (version: SecureVersion): TlsOptions => ({
    ciphers: `${SUITES}:${CIPHERS}`,
    ...{ minVersion: version, maxVersion: version },
    pskCallback: (_, identity) => (identity === 'first' || identity === 'second' ? Buffer.from(key) : null),
  });
  const alone = { cert: undefined, key: undefined };

  test.each(VERSIONS)('a backend that knows it needs no certificate (%s)', async (version) => {
    await using backend = await startTlsBackend(lab.otherServer, { ...knowing(version), ...alone });
    expect(await visitBackend(backend.port, keyed)).toBe(WELCOME);
    expect(await visitBackend(backend.port, keyed)).toBe(WELCOME);
    expect(await verdictOf(backend.port, other)).not.toBe('ok');
  });

  test.each(VERSIONS)('a backend with a certificate in its place is refused (%s)', async (version) => {
    await using backend = await startTlsBackend(lab.server, { maxVersion: version });
    expect(await verdictOf(backend.port, keyed)).toBe('no-key');
    expect(await verdictOf(backend.port, unverified)).toBe('no-key');
  });

  test.each(VERSIONS)('unless a CA is named that vouches for it (%s)', async (version) => {
    await using good = await startTlsBackend(lab.server, { maxVersion: version });
    await using bad = await startTlsBackend(lab.otherServer, { maxVersion: version });
    expect([await verdictOf(good.port, alsoByCertificate), await verdictOf(bad.port, alsoByCertificate)]).toEqual([
      'ok',
      'unknown-ca',
    ]);
  });

  test('a backend that has both is taken by the key, whatever suite comes first', async () => {
    await using backend = await startTlsBackend(lab.otherServer, { ...knowing('TLSv1.3'), honorCipherOrder: false });
    expect(await visitBackend(backend.port, keyed)).toBe(WELCOME);
  });

  test('what is told of it is no resumption, and of the next connection is one', async () => {
    await using backend = await startTlsBackend(lab.otherServer, { ...knowing('TLSv1.3'), ...alone });
    const facts = async (): Promise<unknown> => {
      const socket = (await dialOnce(dialOptions(backend.port, { identity: keyed }), NEVER)) as TLSSocket;
      const told = keyed.describe(socket);
      socket.on('error', () => socket.destroy()).resume();
      await once(socket, 'end');
      socket.destroy();
      return told;
    };
    expect(await facts()).toMatchObject({ resumed: false, subject: undefined });
    expect(await facts()).toMatchObject({ resumed: true });
  });

  test('an identity that the file has not is told of', () => {
    using own = createConfigFolder({ psk: `first:${key}` });
    const tls = backendTlsConfig({ pskFile: join(own.path, 'psk'), pskIdentity: 'third' });
    expect(() => loadBackendMaterial(tls)).toThrow(/psk: No key found for the specified PSK identity/);
  });
});

test('a refusal says whom the certificate names', async () => {
  await using backend = await startTlsBackend(lab.otherServer);
  const refused = Promise.withResolvers<readonly [UpstreamError, BackendRefusal | undefined]>();
  dial(dialOptions(backend.port, { identity: identityOf({ ca: [lab.ca.cert] }) }), {
    onConnect: (socket) => socket.destroy(),
    onFail: (error, refusal) => refused.resolve([error, refusal]),
  });
  const [error, refusal] = await refused.promise;
  expect(error).toBeInstanceOf(UpstreamError);
  expect(error.message).toContain('unable to verify the first certificate');
  expect(refusal).toMatchObject({ reason: 'unknown-ca', subject: 'CN=other-server' });
});

test('the defaults verify', () => {
  expect(backendTlsConfig()).toMatchObject({ verify: true, verifyName: true, trust: 'auto' });
});
