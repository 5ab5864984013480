import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { dialTls, type TlsVisit, type TlsVisitOptions, VERSIONS, visit } from '../_util/tls-client.ts';
import { opensslClient } from '../_util/tls-openssl.ts';
import {
  EVERYBODY,
  GREETING,
  type Outcome,
  SHARED_SECRET,
  startTlsService,
  type TlsServiceOptions,
} from '../_util/tls-service.ts';

const lab = certificates();
const MUTUAL: TlsServiceOptions = { clientAuth: { ca: [lab.ca.cert] } };

describe('what the client is shown', () => {
  test.each([
    ['the CA', { ca: [lab.ca.cert] }, ['CN = lab-ca']],
    ['the pinned client', { ca: [lab.client.cert] }, ['CN = client']],
    ['both', { ca: [lab.ca.cert, lab.otherClient.cert] }, ['CN = lab-ca', 'CN = other-client']],
  ])('the request for a certificate names %s', async (_, clientAuth, names) => {
    await using service = await startTlsService({ clientAuth });
    const { output } = await opensslClient(service.port);
    const [, listed = ''] = /Acceptable client certificate CA names\n(.*?)\n(?:Client|Requested)/s.exec(output) ?? [];
    expect(listed.split('\n')).toEqual(names);
  });

  test('a service that verifies nobody asks without naming anybody', async () => {
    await using service = await startTlsService({ clientAuth: { mode: 'optional', verify: false } });
    const { output } = await opensslClient(service.port);
    expect(output).toContain('No client certificate CA names sent');
    expect(output).toContain('Requested Signature Algorithms');
  });
});

describe('what is negotiated', () => {
  const ephemeralKey = async (groups: string | undefined, client: object) => {
    await using service = await startTlsService({ tls: { groups }, clientAuth: { mode: 'none' } });
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const socket = dialTls({ port: service.port, more: client });
    socket.once('secureConnect', () => {
      const info = socket.getEphemeralKeyInfo();
      resolve(info !== null && 'name' in info ? String(info.name) : undefined);
    });
    socket.once('close', () => resolve('closed'));
    const name = await promise;
    socket.destroy();
    return name;
  };

  test('the post-quantum hybrid is what two sides agree on by default', async () => {
    expect(await ephemeralKey(undefined, {})).toBe('X25519MLKEM768');
  });

  test('a client that knows nothing newer than X25519 is served as well', async () => {
    expect(await ephemeralKey(undefined, { ecdhCurve: 'X25519' })).toBe('X25519');
  });

  test('configured groups replace the default', async () => {
    expect(await ephemeralKey('P-384', {})).toBe('secp384r1');
    expect(await ephemeralKey('P-384', { ecdhCurve: 'X25519MLKEM768' })).toBe('closed');
  });

  test.each([
    ['TLSv1.2', { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }, 'ECDHE-ECDSA-AES128-GCM-SHA256'],
    ['TLSv1.3', { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }, 'TLS_AES_256_GCM_SHA384'],
    ['TLSv1.3', { ciphersuites: 'TLS_AES_128_GCM_SHA256' }, 'TLS_AES_128_GCM_SHA256'],
    ['TLSv1.2', { ciphersuites: 'TLS_AES_128_GCM_SHA256' }, 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ] as const)('%s with %j', async (version, tls, cipher) => {
    await using service = await startTlsService({ tls, clientAuth: { mode: 'none' } });
    const socket = dialTls({ port: service.port, version });
    const { promise, resolve } = Promise.withResolvers<string>();
    socket.once('secureConnect', () => resolve(socket.getCipher().name));
    expect(await promise).toBe(cipher);
    socket.destroy();
  });

  test('an old version works where it is asked for together with the security level it needs', async () => {
    const tls = { minVersion: 'TLSv1', securityLevel: 0 } as const;
    await using service = await startTlsService({ tls, clientAuth: { mode: 'none' } });
    const more = { ciphers: 'DEFAULT@SECLEVEL=0' };
    expect((await visit({ port: service.port, version: 'TLSv1.1', more })).text).toBe(GREETING);
    expect(await service.outcome()).toMatchObject({ version: 'TLSv1.1' });
  });
});

interface Return {
  readonly first: TlsVisit;
  readonly second: TlsVisit;
  readonly outcome: Outcome;
}

describe.each(VERSIONS)('sessions of %s', (version) => {
  /** Gets a session at one service and comes back with it to another, as the same client. */
  const comeBack = async (
    from: TlsServiceOptions,
    to: TlsServiceOptions,
    returning: Pick<TlsVisitOptions, 'identity'> = { identity: lab.client },
  ): Promise<Return> => {
    await using origin = await startTlsService(from);
    await using target = await startTlsService(to);
    const first = await visit({ port: origin.port, version, identity: lab.client });
    const session = first.session && { session: first.session };
    const second = await visit({ port: target.port, version, ...session, ...returning });
    return { first, second, outcome: await target.outcome() };
  };

  test('are resumed by another worker of the same service, and bring the certificate', async () => {
    const { second, outcome } = await comeBack(MUTUAL, MUTUAL);
    expect(second).toMatchObject({ text: GREETING, isReused: true });
    expect(outcome).toMatchObject({ kind: 'accepted', resumed: true });
    const shown = outcome.kind === 'accepted' ? outcome.certificate?.fingerprint256 : undefined;
    expect(shown).toBe(new X509Certificate(readFileSync(lab.client.cert)).fingerprint256);
  });

  test('are resumed where nobody is asked for a certificate', async () => {
    const open = { clientAuth: { mode: 'none' } } as const;
    expect((await comeBack(open, open)).outcome).toMatchObject({ kind: 'accepted', resumed: true });
  });

  test.each<[string, TlsServiceOptions, TlsServiceOptions]>([
    ['another service', MUTUAL, { ...MUTUAL, name: 'other' }],
    ['another CA', { clientAuth: { ca: [lab.ca.cert, lab.otherCa.cert] } }, MUTUAL],
    [
      'another allow list',
      MUTUAL,
      { clientAuth: { ca: [lab.ca.cert], allow: { ...EVERYBODY, sans: ['client.example'] } } },
    ],
    ['revocation lists', MUTUAL, { clientAuth: { ca: [lab.ca.cert], crl: [lab.crl] } }],
    ['the next keys', MUTUAL, { ...MUTUAL, secret: { ...SHARED_SECRET, epoch: 2 } }],
    ['another process', MUTUAL, { ...MUTUAL, secret: { secret: new Uint8Array(32), epoch: 1 } }],
  ])('mean nothing to %s', async (_, from, to) => {
    const { first, second, outcome } = await comeBack(from, to);
    expect(first.session).toBeDefined();
    expect(second).toMatchObject({ text: GREETING, isReused: false });
    expect(outcome).toMatchObject({ kind: 'accepted', resumed: false });
  });

  test.each<[string, TlsServiceOptions]>([
    ['of a service that trusts another CA', { clientAuth: { ca: [lab.ca.cert] } }],
    ['of a service that asks nobody', { clientAuth: { mode: 'none' } }],
    ['of a service that verifies nobody', { clientAuth: { mode: 'optional', verify: false } }],
  ])('%s open no other, with or without a certificate', async (_, from) => {
    const to: TlsServiceOptions = { clientAuth: { ca: [lab.otherCa.cert] } };
    const withOne = await comeBack(from, to);
    expect(withOne.first.session).toBeDefined();
    expect(withOne.second.text).toBe('');
    expect(withOne.outcome).toMatchObject({ kind: 'refused', resumed: false, problem: { reason: 'unknown-ca' } });
    const withNone = await comeBack(from, to, {});
    expect(withNone.second.text).toBe('');
    expect(withNone.outcome).toMatchObject({ kind: 'failed', problem: { reason: 'no-certificate' } });
  });

  test('end with the certificate', async () => {
    const endMs = new X509Certificate(readFileSync(lab.client.cert)).validToDate.getTime();
    const { outcome } = await comeBack(MUTUAL, { ...MUTUAL, nowMs: () => endMs + 1 });
    expect(outcome).toMatchObject({ kind: 'refused', resumed: true, problem: { reason: 'expired' } });
  });

  test('end with the revocation list', async () => {
    const listed: TlsServiceOptions = { clientAuth: { ca: [lab.ca.cert], crl: [lab.crl] } };
    const nowMs = (): number => Date.now() + 40 * 24 * 3_600_000;
    const { outcome } = await comeBack(listed, { ...listed, nowMs });
    expect(outcome).toMatchObject({ kind: 'refused', resumed: true, problem: { reason: 'crl-expired' } });
  });

  test('of a client that was refused are refused again', async () => {
    const refused: TlsServiceOptions = { clientAuth: { ca: [lab.otherCa.cert] } };
    await using service = await startTlsService(refused);
    const first = await visit({ port: service.port, version, identity: lab.client });
    expect(await service.outcome()).toMatchObject({ kind: 'refused', problem: { reason: 'unknown-ca' } });
    const session = first.session && { session: first.session };
    expect((await visit({ port: service.port, version, identity: lab.client, ...session })).text).toBe('');
    expect(await service.outcome()).toMatchObject({ kind: 'refused', problem: { reason: 'unknown-ca' } });
  });

  test('are not kept where they are turned off', async () => {
    const off: TlsServiceOptions = { ...MUTUAL, tls: { sessionTickets: false } };
    expect((await comeBack(off, off)).outcome).toMatchObject({ kind: 'accepted', resumed: false });
    expect((await comeBack(MUTUAL, off)).outcome).toMatchObject({ kind: 'accepted', resumed: false });
    await using service = await startTlsService(off);
    const { session } = await visit({ port: service.port, version, identity: lab.client });
    const again = await visit({ port: service.port, version, identity: lab.client, ...(session && { session }) });
    expect(again).toMatchObject({ text: GREETING, isReused: false });
  });
});
