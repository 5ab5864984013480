import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ClientAuthConfig } from '../../src/config/tls-config.ts';
import { ClientAuth } from '../../src/tls/client-auth.ts';
import { createCrl, type Issuer } from '../../src/tls/generate.ts';
import { loadTrust } from '../../src/tls/trust.ts';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { createConfigFolder } from '../_util/config-folder.ts';
import { VERSIONS, visit } from '../_util/tls-client.ts';
import { clientAuthConfig, EVERYBODY, GREETING, startTlsService } from '../_util/tls-service.ts';

const lab = certificates();
const DAY_MS = 24 * 60 * 60 * 1000;

interface Visitor {
  readonly identity?: LabIdentity;
  readonly chain?: string;
}

const VISITORS = {
  nobody: {},
  client: { identity: lab.client },
  secondClient: { identity: lab.secondClient },
  rsaClient: { identity: lab.rsaClient },
  revoked: { identity: lab.revokedClient },
  serverOnly: { identity: lab.serverOnlyClient },
  viaIntermediate: { identity: lab.viaIntermediateClient, chain: lab.viaIntermediateClient.chain },
  viaMissingIntermediate: { identity: lab.viaIntermediateClient },
  expired: { identity: lab.expiredClient },
  other: { identity: lab.otherClient },
  selfSigned: { identity: lab.selfSignedClient },
} satisfies Record<string, Visitor>;

type Verdicts = Readonly<Record<keyof typeof VISITORS, string>>;

interface Row {
  readonly name: string;
  readonly auth: Partial<ClientAuthConfig>;
  readonly verdicts: Verdicts;
}

const ALL_PASS: Verdicts = {
  nobody: 'ok',
  client: 'ok',
  secondClient: 'ok',
  rsaClient: 'ok',
  revoked: 'ok',
  serverOnly: 'ok',
  viaIntermediate: 'ok',
  viaMissingIntermediate: 'ok',
  expired: 'ok',
  other: 'ok',
  selfSigned: 'ok',
};

const CHAIN: Verdicts = {
  ...ALL_PASS,
  nobody: 'no-certificate',
  serverOnly: 'wrong-purpose',
  viaMissingIntermediate: 'unknown-ca',
  expired: 'expired',
  other: 'unknown-ca',
  selfSigned: 'self-signed',
};

const NOT_PINNED: Verdicts = {
  nobody: 'no-certificate',
  client: 'not-pinned',
  secondClient: 'not-pinned',
  rsaClient: 'not-pinned',
  revoked: 'not-pinned',
  serverOnly: 'not-pinned',
  viaIntermediate: 'not-pinned',
  viaMissingIntermediate: 'not-pinned',
  expired: 'not-pinned',
  other: 'not-pinned',
  selfSigned: 'not-pinned',
};

/** Measured on stunnel 5.68; where the configuration has another word for a row, that stands in the name. */
const MATRIX: readonly Row[] = [
  { name: 'mode none', auth: { mode: 'none', ca: [lab.ca.cert] }, verdicts: ALL_PASS },
  { name: 'optional, nothing verified (verify = 0)', auth: { mode: 'optional', verify: false }, verdicts: ALL_PASS },
  {
    name: 'required, nothing verified (requireCert)',
    auth: { verify: false, ca: [lab.ca.cert] },
    verdicts: { ...ALL_PASS, nobody: 'no-certificate' },
  },
  {
    name: 'optional with a CA (verify = 1)',
    auth: { mode: 'optional', ca: [lab.ca.cert] },
    verdicts: { ...CHAIN, nobody: 'ok' },
  },
  { name: 'required with a CA (verify = 2)', auth: { ca: [lab.ca.cert], trust: 'chain' }, verdicts: CHAIN },
  { name: 'a CA, automatically', auth: { ca: [lab.ca.cert] }, verdicts: CHAIN },
  {
    name: 'only an intermediate CA',
    auth: { ca: [lab.intermediateCa.cert], trust: 'chain' },
    verdicts: {
      ...CHAIN,
      client: 'unknown-ca',
      secondClient: 'unknown-ca',
      rsaClient: 'unknown-ca',
      revoked: 'unknown-ca',
      serverOnly: 'unknown-ca',
      viaIntermediate: 'unknown-ca',
    },
  },
  {
    name: 'chain and pin, a CA alone (verify = 3)',
    auth: { ca: [lab.ca.cert], trust: 'chain', chainAndPin: true },
    verdicts: {
      ...CHAIN,
      client: 'not-pinned',
      secondClient: 'not-pinned',
      rsaClient: 'not-pinned',
      revoked: 'not-pinned',
      viaIntermediate: 'not-pinned',
    },
  },
  {
    name: 'chain and pin, a CA and a client (verify = 3)',
    auth: { ca: [lab.ca.cert, lab.client.cert], trust: 'chain', chainAndPin: true },
    verdicts: {
      ...CHAIN,
      secondClient: 'not-pinned',
      rsaClient: 'not-pinned',
      revoked: 'not-pinned',
      viaIntermediate: 'not-pinned',
    },
  },
  {
    name: 'a pinned client (verify = 4)',
    auth: { ca: [lab.client.cert], trust: 'pin' },
    verdicts: { ...NOT_PINNED, client: 'ok' },
  },
  {
    name: 'a pinned client, automatically',
    auth: { ca: [lab.client.cert] },
    verdicts: { ...NOT_PINNED, client: 'ok' },
  },
  { name: 'a pinned CA (verifyPeer)', auth: { ca: [lab.ca.cert], trust: 'pin' }, verdicts: NOT_PINNED },
  {
    name: 'a pinned self-signed client',
    auth: { ca: [lab.selfSignedClient.cert] },
    verdicts: { ...NOT_PINNED, selfSigned: 'ok' },
  },
  {
    name: 'a pinned client that is expired',
    auth: { ca: [lab.expiredClient.cert] },
    verdicts: { ...NOT_PINNED, expired: 'expired' },
  },
  {
    name: 'a pinned certificate for servers',
    auth: { ca: [lab.serverOnlyClient.cert] },
    verdicts: { ...NOT_PINNED, serverOnly: 'wrong-purpose' },
  },
  {
    name: 'a CA and a pinned client of another',
    auth: { ca: [lab.ca.cert, lab.otherClient.cert] },
    verdicts: { ...CHAIN, other: 'ok' },
  },
  {
    name: 'a CA with its revocation list',
    auth: { ca: [lab.ca.cert], crl: [lab.crl] },
    verdicts: { ...CHAIN, revoked: 'revoked', viaIntermediate: 'no-crl' },
  },
  {
    name: 'both CAs with their revocation lists',
    auth: { ca: [lab.ca.cert, lab.intermediateCa.cert], crl: [lab.crl, lab.intermediateCrl] },
    verdicts: { ...CHAIN, revoked: 'revoked', viaMissingIntermediate: 'ok' },
  },
  {
    name: 'a CA with a revocation list that is out of date',
    auth: { ca: [lab.ca.cert], crl: [lab.expiredCrl] },
    verdicts: {
      ...CHAIN,
      client: 'crl-expired',
      secondClient: 'crl-expired',
      rsaClient: 'crl-expired',
      revoked: 'crl-expired',
      serverOnly: 'crl-expired',
      viaIntermediate: 'crl-expired',
    },
  },
  {
    name: 'a CA with its revocation list, and pinned clients of nobody on a list',
    auth: { ca: [lab.ca.cert, lab.otherClient.cert, lab.selfSignedClient.cert], crl: [lab.crl] },
    verdicts: {
      ...CHAIN,
      revoked: 'revoked',
      viaIntermediate: 'no-crl',
      viaMissingIntermediate: 'no-crl',
      other: 'no-crl',
      selfSigned: 'no-crl',
    },
  },
  {
    name: 'a CA with its revocation list, and pinned clients of its own',
    auth: { ca: [lab.ca.cert, lab.client.cert, lab.revokedClient.cert], crl: [lab.crl] },
    verdicts: {
      ...CHAIN,
      revoked: 'revoked',
      viaIntermediate: 'no-crl',
      viaMissingIntermediate: 'no-crl',
      other: 'no-crl',
    },
  },
  {
    name: 'a CA and an allow list',
    auth: { ca: [lab.ca.cert], allow: { ...EVERYBODY, sans: ['DNS:wrong.example', 'DNS:client.example'] } },
    verdicts: {
      ...CHAIN,
      secondClient: 'not-allowed',
      rsaClient: 'not-allowed',
      revoked: 'not-allowed',
      viaIntermediate: 'not-allowed',
    },
  },
];

describe('who passes', () => {
  describe.each(VERSIONS)('%s', (version) => {
    test.each(MATRIX)('$name', async ({ auth, verdicts }) => {
      await using service = await startTlsService({ clientAuth: auth });
      const found: Record<string, string> = {};
      const greeted: Record<string, boolean> = {};
      for (const [name, visitor] of Object.entries<Visitor>(VISITORS)) {
        const seen = await visit({ port: service.port, version, ...visitor });
        const outcome = await service.outcome();
        found[name] = outcome.kind === 'left' ? outcome.event : (outcome.problem?.reason ?? 'ok');
        greeted[name] = seen.text === GREETING;
      }
      expect(found).toEqual(verdicts);
      expect(greeted).toEqual(
        Object.fromEntries(Object.entries(verdicts).map(([name, verdict]) => [name, verdict === 'ok'])),
      );
    });
  });
});

describe('a revocation list that is out of date', () => {
  const issuer = (of: LabIdentity): Issuer => ({
    certificatePem: readFileSync(of.cert, 'utf8'),
    privateKey: createPrivateKey(readFileSync(of.key)),
  });
  const listOf = (of: LabIdentity, nextUpdateMs: number): string =>
    createCrl({ issuer: issuer(of), revokedSerials: [], thisUpdateMs: nextUpdateMs - 2 * DAY_MS, nextUpdateMs });
  const expired = Date.now() - DAY_MS;
  const fresh = Date.now() + DAY_MS;

  test('shuts out the clients of its CA only', async () => {
    using folder = createConfigFolder({ 'other.crl': listOf(lab.otherCa, expired) });
    await using service = await startTlsService({
      clientAuth: { ca: [lab.ca.cert, lab.otherCa.cert], crl: [lab.crl, `${folder.path}/other.crl`] },
    });
    await visit({ port: service.port, identity: lab.client });
    expect(await service.outcome()).toMatchObject({ kind: 'accepted' });
    await visit({ port: service.port, identity: lab.otherClient });
    expect(await service.outcome()).toMatchObject({ problem: { reason: 'crl-expired' } });
  });

  test('does nothing beside a newer one of the same CA', async () => {
    using folder = createConfigFolder({ 'a.crl': listOf(lab.ca, expired), 'b.crl': listOf(lab.ca, fresh) });
    await using service = await startTlsService({ clientAuth: { ca: [lab.ca.cert], crl: [folder.path] } });
    await visit({ port: service.port, identity: lab.client });
    expect(await service.outcome()).toMatchObject({ kind: 'accepted' });
  });
});

describe('an intermediate CA that is trusted', () => {
  const viaIntermediate = { identity: lab.viaIntermediateClient, chain: lab.viaIntermediateClient.chain };
  const outcomeFor = async (clientAuth: Partial<ClientAuthConfig>) => {
    await using service = await startTlsService({ clientAuth });
    await visit({ port: service.port, ...viaIntermediate });
    return service.outcome();
  };

  test.each([
    ['alone', []],
    ['beside a pinned client', [lab.otherClient.cert]],
  ])('lets nobody in without its root, %s', async (_, pinned) => {
    expect(await outcomeFor({ ca: [lab.intermediateCa.cert, ...pinned] })).toMatchObject({
      problem: { reason: 'unknown-ca' },
    });
  });

  test.each([
    ['alone', []],
    ['beside a pinned client', [lab.otherClient.cert]],
  ])('lets nobody in once it is revoked, %s', async (_, pinned) => {
    const { serialNumber } = new X509Certificate(readFileSync(lab.intermediateCa.cert));
    const crl = createCrl({
      issuer: {
        certificatePem: readFileSync(lab.ca.cert, 'utf8'),
        privateKey: createPrivateKey(readFileSync(lab.ca.key)),
      },
      revokedSerials: [serialNumber],
      thisUpdateMs: Date.now() - DAY_MS,
      nextUpdateMs: Date.now() + DAY_MS,
    });
    using folder = createConfigFolder({ 'root.crl': crl });
    const ca = [lab.ca.cert, lab.intermediateCa.cert, ...pinned];
    const outcome = await outcomeFor({ ca, crl: [`${folder.path}/root.crl`, lab.intermediateCrl] });
    expect(outcome).toMatchObject({ problem: { reason: 'revoked' } });
  });
});

describe('a handshake settles the matter', () => {
  const PASSED = { verifyCode: undefined, resumed: false };
  const settles = (change: Partial<ClientAuthConfig>, { verifyCode, resumed }: typeof PASSED | typeof FAILED) => {
    const config = clientAuthConfig({ ca: [lab.ca.cert], ...change });
    return new ClientAuth(config, loadTrust(config)).isSettled(verifyCode, resumed);
  };
  const FAILED = { verifyCode: 'CERT_HAS_EXPIRED', resumed: false };

  test('where OpenSSL has just found a chain and nothing else is asked for', () => {
    expect(settles({}, PASSED)).toBe(true);
  });

  test.each<[string, Partial<ClientAuthConfig>, Parameters<typeof settles>[1]]>([
    ['it found something wrong', {}, FAILED],
    ['it is a session that is resumed', {}, { ...PASSED, resumed: true }],
    ['a certificate is optional', { mode: 'optional' }, PASSED],
    ['nothing is verified', { verify: false }, PASSED],
    ['certificates are pinned', { ca: [lab.client.cert] }, PASSED],
    ['some are pinned', { ca: [lab.ca.cert, lab.otherClient.cert] }, PASSED],
    ['both are asked for', { ca: [lab.ca.cert, lab.client.cert], trust: 'chain', chainAndPin: true }, PASSED],
    ['only some may pass', { allow: { ...EVERYBODY, sans: ['DNS:client.example'] } }, PASSED],
  ])('not where %s', (_, change, evidence) => {
    expect(settles(change, evidence)).toBe(false);
  });
});

test('a certificate is asked for unless the mode is none', () => {
  const isAsking = (mode: ClientAuthConfig['mode']) =>
    new ClientAuth(clientAuthConfig({ mode, verify: false }), undefined).isAsking;
  expect([isAsking('none'), isAsking('optional'), isAsking('require')]).toEqual([false, true, true]);
});

describe('judging evidence at a later time', () => {
  const certificateOf = ({ cert }: LabIdentity): X509Certificate => new X509Certificate(readFileSync(cert));
  const judgeAt = (change: Partial<ClientAuthConfig>, identity: LabIdentity, nowMs: number) => {
    const config = clientAuthConfig({ ca: [lab.ca.cert], ...change });
    const certificate = certificateOf(identity);
    return new ClientAuth(config, loadTrust(config)).judge({ verifyCode: undefined, certificate }, nowMs);
  };

  test('a certificate lasts until its end', () => {
    const endMs = certificateOf(lab.client).validToDate.getTime();
    expect(judgeAt({}, lab.client, endMs)).toBeUndefined();
    expect(judgeAt({}, lab.client, endMs + 1)).toMatchObject({ reason: 'expired' });
  });

  test('a certificate is good for nothing before it begins', () => {
    const startMs = certificateOf(lab.client).validFromDate.getTime();
    expect(judgeAt({}, lab.client, startMs)).toBeUndefined();
    expect(judgeAt({}, lab.client, startMs - 1)).toMatchObject({ reason: 'not-yet-valid' });
  });

  test('a list of the issuer or of one above it runs out', () => {
    const afterLists = Date.now() + 40 * DAY_MS;
    const both = { ca: [lab.ca.cert, lab.intermediateCa.cert], crl: [lab.crl, lab.intermediateCrl] };
    expect(judgeAt({ crl: [lab.crl] }, lab.client, Date.now())).toBeUndefined();
    expect(judgeAt({ crl: [lab.crl] }, lab.client, afterLists)).toMatchObject({ reason: 'crl-expired' });
    expect(judgeAt(both, lab.viaIntermediateClient, Date.now())).toBeUndefined();
    const onlyRootList = { ...both, crl: [lab.crl] };
    expect(judgeAt(onlyRootList, lab.viaIntermediateClient, afterLists)).toMatchObject({ reason: 'crl-expired' });
  });

  test('a list of another CA does not matter', () => {
    const afterLists = Date.now() + 40 * DAY_MS;
    const change = { ca: [lab.ca.cert, lab.otherCa.cert], crl: [lab.crl] };
    expect(judgeAt(change, lab.otherClient, afterLists)).toBeUndefined();
  });

  test.each([
    { subjects: ['CN=nobody'] },
    { sans: ['DNS:nobody.example'] },
    { spkiSha256: ['00'.repeat(32)] },
    { subjects: ['CN=nobody'], sans: ['DNS:nobody.example'] },
    { subjects: ['CN=nobody'], spkiSha256: ['00'.repeat(32)] },
  ])('an allow list holds in any form: %j', (allow) => {
    expect(judgeAt({ allow: { ...EVERYBODY, ...allow } }, lab.client, Date.now())).toMatchObject({
      reason: 'not-allowed',
    });
  });

  test('a policy that verifies and has nothing to verify with is a defect, not a pass', () => {
    const auth = new ClientAuth(clientAuthConfig(), undefined);
    const evidence = { verifyCode: undefined, certificate: certificateOf(lab.client) };
    expect(() => auth.judge(evidence, Date.now())).toThrow(TypeError);
  });
});
