import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecureVersion, TlsOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTlsBackend, type TlsBackend, WELCOME } from '../_util/backend-tls.ts';
import { certificates } from '../_util/certificates.ts';
import { type Both, clientConfigText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { type RecordingBackend, startRecordingBackend } from '../_util/differential-backend.ts';
import { receive } from '../_util/e2e-tunnel.ts';
import type { TunnelProcess } from '../_util/stunnel-process.ts';
import { VERSIONS, visit } from '../_util/tls-client.ts';

const lab = certificates();
const KEYS = { alice: 'what alice knows well', bob: 'what bob knows as well' };
const SUITES_256 = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256';
const CIPHERS = 'ECDHE-PSK-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256';

const folder = mkdtempSync(join(tmpdir(), 'icapgw-differential-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'psk');
writeFileSync(file, `alice:${KEYS.alice}\nbob:${KEYS.bob}\n`, { mode: 0o600 });

/** By a key, of whatever identity, or by a certificate alone. */
const keyed: TlsOptions = {
  ...{ cert: undefined, key: undefined },
  ciphers: `${SUITES_256}:${CIPHERS}`,
  pskCallback: (_, identity) => Buffer.from(identity === 'bob' ? KEYS.bob : KEYS.alice),
};
const wrong: TlsOptions = { ...keyed, pskCallback: () => Buffer.from('what nobody else knows') };

let backend: RecordingBackend;
let servers: Readonly<Record<'keyed' | 'wrong' | 'certified', TlsBackend>>;
let programs: Programs;
let clients: Programs;
beforeAll(async () => {
  backend = await startRecordingBackend((socket) => socket.end('answer'));
  const base = ['accept = 127.0.0.1:0', `connect = 127.0.0.1:${backend.port}`, `PSKsecrets = ${file}`];
  const byCertificate = [`cert = ${lab.server.combined}`, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes'];
  const sections = [
    ['[keys alone]', ...base],
    ['[keys and requireCert]', ...base, 'requireCert = yes'],
    ['[keys or certificates]', ...base, ...byCertificate],
  ];
  programs = await startBoth(`${sections.flat().join('\n')}\n`);
  servers = {
    keyed: await startTlsBackend(lab.server, keyed),
    wrong: await startTlsBackend(lab.server, wrong),
    certified: await startTlsBackend(lab.otherServer),
  };
  const to = ({ port }: TlsBackend): readonly string[] => [`connect = 127.0.0.1:${port}`, `PSKsecrets = ${file}`];
  clients = await startBoth(
    clientConfigText({
      'the first key': to(servers.keyed),
      'a chosen key': [...to(servers.keyed), 'PSKidentity = bob'],
      'a server with another key': to(servers.wrong),
      'a server with a certificate': to(servers.certified),
    }),
  );
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  await clients[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  for (const server of Object.values(servers)) await server[Symbol.asyncDispose]();
});

describe('the same clients are let in', () => {
  const offers = {
    'alice with her key': ['alice', KEYS.alice],
    'bob with his': ['bob', KEYS.bob],
    'alice with that of bob': ['alice', KEYS.bob],
    'somebody unknown': ['carol', KEYS.alice],
  } as const;
  const come = async (port: number, version: SecureVersion, offer: keyof typeof offers): Promise<boolean> => {
    const [identity, key] = offers[offer];
    const more = { ciphers: `${SUITES_256}:${CIPHERS}`, pskCallback: () => ({ identity, psk: Buffer.from(key) }) };
    return (await visit({ port, version, more })).text === 'answer';
  };

  describe.each(['keys alone', 'keys and requireCert', 'keys or certificates'])('%s', (service) => {
    test.each(VERSIONS)('%s', async (version) => {
      const both = await playBoth(programs, async ({ portOf }) => {
        const verdicts: Record<string, boolean> = {};
        for (const offer of Object.keys(offers) as (keyof typeof offers)[]) {
          verdicts[offer] = await come(portOf(service), version, offer);
        }
        const bare = { port: portOf(service), version };
        verdicts['nobody'] = (await visit(bare)).text === 'answer';
        verdicts['a certificate'] = (await visit({ ...bare, identity: lab.client })).text === 'answer';
        return verdicts;
      });
      expect(both).toEqual(
        same({
          'alice with her key': true,
          'bob with his': true,
          'alice with that of bob': false,
          'somebody unknown': false,
          nobody: false,
          'a certificate': service === 'keys or certificates',
        }),
      );
    });
  });
});

describe('the same servers are taken', () => {
  const ask = (service: string): Promise<Both<boolean>> =>
    playBoth(clients, async ({ portOf }: TunnelProcess) => {
      const socket = connect(portOf(service), '127.0.0.1').on('error', () => undefined);
      const answer = await receive(socket);
      socket.destroy();
      return answer.toString() === WELCOME;
    });

  test('by the first key of the file, or the one of PSKidentity', async () => {
    expect(await ask('the first key')).toEqual(same(true));
    expect(await ask('a chosen key')).toEqual(same(true));
  });

  test('none with another key', async () => {
    expect(await ask('a server with another key')).toEqual(same(false));
  });

  test('none with a certificate in place of the key, which stunnel takes from anybody', async () => {
    expect(await ask('a server with a certificate')).toEqual({ stunnel: true, icapgw: false });
  });
});
