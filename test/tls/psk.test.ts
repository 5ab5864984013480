import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { PskKeys, PskProof } from '../../src/tls/psk.ts';
import { loadPskFile } from '../../src/tls/psk-file.ts';
import { certificates } from '../_util/certificates.ts';
import { VERSIONS, visit } from '../_util/tls-client.ts';
import { GREETING, startTlsService, type TlsServiceOptions } from '../_util/tls-service.ts';

const lab = certificates();
const ALICE = 'what alice knows';
const BOB = 'what bob knows, too';
const SUITES_256 = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256';
const SUITE_384 = 'TLS_AES_256_GCM_SHA384';
const CIPHERS = 'ECDHE-PSK-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256';

const folder = mkdtempSync(join(tmpdir(), 'icapgw-psk-'));
afterAll(() => rmSync(folder, { recursive: true }));
let fileCount = 0;
function pskFile(...lines: readonly string[]): string {
  fileCount += 1;
  const path = join(folder, `psk-${fileCount}`);
  writeFileSync(path, lines.join('\n'), { mode: 0o600 });
  return path;
}

const BOTH = pskFile(`alice:${ALICE}`, `bob:${BOB}`);
const ASKING: TlsServiceOptions['clientAuth'] = { ca: [lab.ca.cert] };
const keyed = (tls: TlsServiceOptions['tls'] = {}, clientAuth: TlsServiceOptions['clientAuth'] = { mode: 'none' }) =>
  ({ tls: { pskFile: BOTH, ciphers: CIPHERS, ...tls }, clientAuth }) satisfies TlsServiceOptions;
const SOLE = { cert: undefined } as const;

/** What a client offers; it takes whatever certificate it is shown. */
function offer(identity: string, key: string, suites = SUITES_256): ConnectionOptions {
  return { pskCallback: () => ({ identity, psk: Buffer.from(key) }), ciphers: `${suites}:${CIPHERS}` };
}

describe.each(VERSIONS)('a client with a pre-shared key and %s', (version) => {
  test.each([
    ['has no certificate', keyed(SOLE)],
    ['has none and asks for one', keyed(SOLE, ASKING)],
    ['has no certificate and requires any', keyed(SOLE, { verify: false })],
  ])('gets in where the service %s, by its name', async (_, options) => {
    await using service = await startTlsService(options);
    const seen = await visit({ port: service.port, version, more: offer('bob', BOB) });
    expect(seen).toMatchObject({ text: GREETING, servedBy: undefined });
    const outcome = { kind: 'accepted', identity: 'bob', resumed: false, version, certificate: undefined };
    expect(await service.outcome()).toMatchObject(outcome);
  });

  test('gets in beside clients with certificates', async () => {
    await using service = await startTlsService(keyed({ ciphers: 'ECDHE-PSK-CHACHA20-POLY1305' }, ASKING));
    expect((await visit({ port: service.port, version, more: offer('alice', ALICE) })).text).toBe(GREETING);
    expect(await service.outcome()).toMatchObject({ kind: 'accepted', identity: 'alice' });
  });

  test.each([
    ['of somebody else', 'alice', BOB],
    ['that nobody has', 'carol', ALICE],
    ['whose name differs in case', 'Alice', ALICE],
  ])('is refused with a key %s', async (_, identity, key) => {
    await using service = await startTlsService(keyed(SOLE));
    expect((await visit({ port: service.port, version, more: offer(identity, key) })).text).toBe('');
    expect(await service.outcome()).toMatchObject({ kind: 'failed' });
  });

  test('resumes its session where nobody is asked for a certificate', async () => {
    await using service = await startTlsService(keyed(SOLE));
    const first = await visit({ port: service.port, version, more: offer('bob', BOB) });
    const more = offer('bob', BOB);
    const second = await visit({ port: service.port, version, more, session: first.session as Buffer });
    expect(second).toMatchObject({ text: GREETING, isReused: true });
    expect(await service.outcome()).toMatchObject({ resumed: false });
    expect(await service.outcome()).toMatchObject({ kind: 'accepted', resumed: true });
  });

  test('resumes none where a certificate would do as well: a session does not say what it began with', async () => {
    await using service = await startTlsService(keyed({}, ASKING));
    const first = await visit({ port: service.port, version, identity: lab.client });
    expect(await service.outcome()).toMatchObject({ kind: 'accepted', identity: undefined });
    const session = first.session && { session: first.session };
    const second = await visit({ port: service.port, version, identity: lab.client, ...session });
    expect(second).toMatchObject({ text: GREETING, isReused: false });
  });

  test.each<[string, TlsServiceOptions, TlsServiceOptions]>([
    ['a service that knows another key', keyed(SOLE), keyed({ ...SOLE, pskFile: pskFile(`alice:${ALICE}`) })],
    ['one without a certificate, from one where none was needed', keyed(), keyed(SOLE)],
  ])('has no session that opens %s', async (_, from, to) => {
    await using origin = await startTlsService(from);
    await using target = await startTlsService(to);
    const more = offer('bob', BOB);
    const { session } = await visit({ port: origin.port, version, more });
    expect(session).toBeDefined();
    const { text } = await visit({
      port: target.port,
      version,
      session: session as Buffer,
      more: { ciphers: more.ciphers },
    });
    expect(text).toBe('');
    expect(await target.outcome()).toMatchObject({ kind: 'failed' });
  });
});

test.each([
  ['a wrong key', 'TLSv1.3', 'bob'],
  ['a name that is not known', 'TLSv1.2', 'carol'],
] as const)('%s is told as what it is with %s', async (_, version, identity) => {
  await using service = await startTlsService(keyed(SOLE));
  await visit({ port: service.port, version, more: offer(identity, ALICE) });
  expect(await service.outcome()).toMatchObject({ kind: 'failed', problem: { reason: 'no-key' } });
});

describe('an identity is not believed for its own sake', () => {
  test.each([
    ['the right key, not used', ALICE],
    ['a wrong key', BOB],
  ])('with %s, where the cipher leaves keys out', async (_, key) => {
    await using service = await startTlsService(keyed({}, { ...ASKING, mode: 'optional' }));
    const more = offer('alice', key, SUITE_384);
    expect((await visit({ port: service.port, version: 'TLSv1.3', more })).text).toBe(GREETING);
    expect(await service.outcome()).toMatchObject({ kind: 'accepted', identity: undefined });
  });

  test('nor is a client without a certificate let in by it', async () => {
    await using service = await startTlsService(keyed({}, ASKING));
    const more = offer('alice', ALICE, SUITE_384);
    expect((await visit({ port: service.port, version: 'TLSv1.3', more })).text).toBe('');
    expect(await service.outcome()).toMatchObject({ kind: 'failed', problem: { reason: 'no-certificate' } });
  });

  test.each(VERSIONS)('a client that offers none is judged by its certificate (%s)', async (version) => {
    await using service = await startTlsService(keyed({}, ASKING));
    expect((await visit({ port: service.port, version, identity: lab.client })).text).toBe(GREETING);
    expect(await service.outcome()).toMatchObject({ kind: 'accepted', identity: undefined });
    expect((await visit({ port: service.port, version, identity: lab.otherClient })).text).toBe('');
    expect(await service.outcome()).toMatchObject({ kind: 'refused', problem: { reason: 'unknown-ca' } });
  });
});

describe('a cipher without authentication takes the place of no key', () => {
  const ANONYMOUS = { ciphers: 'AECDH-AES128-SHA:@SECLEVEL=0' };
  const problem = { reason: 'no-key', detail: 'the client did not use a pre-shared key' };

  test.each<[string, TlsServiceOptions['clientAuth']]>([
    ['asks for no certificate', { mode: 'none' }],
    ['takes clients without one', { ...ASKING, mode: 'optional' }],
  ])('where the service %s', async (_, clientAuth) => {
    await using service = await startTlsService(keyed({ ...SOLE, ...ANONYMOUS }, clientAuth));
    expect((await visit({ port: service.port, version: 'TLSv1.2', more: ANONYMOUS })).text).toBe('');
    expect(await service.outcome()).toMatchObject({ kind: 'refused', problem });
  });

  test('nor does a session that began with one', async () => {
    const options = keyed({ ...SOLE, ...ANONYMOUS });
    await using gullible = await startTlsService({ ...options, isGullible: true });
    await using service = await startTlsService(options);
    const stranger = { version: 'TLSv1.2', more: ANONYMOUS } as const;
    const { session } = await visit({ ...stranger, port: gullible.port });
    const { text } = await visit({ ...stranger, port: service.port, session: session as Buffer });
    expect(text).toBe('');
    expect(await service.outcome()).toMatchObject({ kind: 'refused', resumed: true, problem });
  });
});

describe('a proof is withdrawn', () => {
  const keys = (...lines: readonly string[]): PskKeys => new PskKeys(loadPskFile(pskFile(...lines)), true);
  const before = keys(`alice:${ALICE}`, `bob:${BOB}`);

  test.each<[string, PskKeys | undefined, { readonly alice: boolean; readonly unknown: boolean }]>([
    ['not while the keys stay', keys(`bob:${BOB}`, `alice:${ALICE}`), { alice: false, unknown: false }],
    ['not by more keys', keys(`alice:${ALICE}`, `bob:${BOB}`, `carol:${BOB}`), { alice: false, unknown: false }],
    ['where its key is gone', keys(`bob:${BOB}`), { alice: true, unknown: true }],
    ['where its key is another', keys(`alice:${BOB}`, `bob:${BOB}`), { alice: true, unknown: true }],
    ['where its key may be gone', keys(`alice:${ALICE}`), { alice: false, unknown: true }],
    ['where no keys are taken any more', undefined, { alice: true, unknown: true }],
  ])('%s', (_, now, expected) => {
    const alice = new PskProof('alice', before).isWithdrawn(now);
    expect({ alice, unknown: new PskProof(undefined, before).isWithdrawn(now) }).toEqual(expected);
  });
});
