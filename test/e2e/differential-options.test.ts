import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { configText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { type RecordingBackend, startRecordingBackend } from '../_util/differential-backend.ts';
import { visit } from '../_util/tls-client.ts';
import { opensslClient } from '../_util/tls-openssl.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-differential-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder of these files, linked by their hashes as `openssl rehash` does it. */
function hashed(name: string, ...files: readonly string[]): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const [index, file] of files.entries()) copyFileSync(file, join(path, `${index}.pem`));
  const { status, stderr } = spawnSync('openssl', ['rehash', path], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return path;
}

function included(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, '10-more.conf'), text);
  return path;
}

let backend: RecordingBackend;
let programs: Programs;
beforeAll(async () => {
  backend = await startRecordingBackend((socket: Socket) => void socket.write(`from ${socket.remoteAddress}`));
  const here = `connect = 127.0.0.1:${backend.port}`;
  const ca = `CApath = ${hashed('ca', lab.ca.cert)}`;
  programs = await startBoth(
    configText({
      'nothing said': [here],
      CApath: [here, ca, 'verifyChain = yes'],
      'CApath of a client': [here, `CApath = ${hashed('client', lab.client.cert)}`, 'verifyPeer = yes'],
      CRLpath: [here, ca, 'verifyChain = yes', `CRLpath = ${hashed('crl', lab.crl)}`],
      'PKCS#12': [here, `cert = ${pkcs12()}`],
      'config = MinProtocol': [here, 'config = MinProtocol:TLSv1.3'],
      'config = MaxProtocol': [here, 'config = MaxProtocol:TLSv1.2'],
      'config = CipherString': [here, 'config = CipherString:ECDHE-ECDSA-AES256-GCM-SHA384'],
      'config = Ciphersuites': [here, 'config = Ciphersuites:TLS_CHACHA20_POLY1305_SHA256'],
      'config = Groups': [here, 'config = Groups:P-384'],
      curves: [here, 'curves = P-521'],
      ciphers: [here, 'ciphers = ECDHE-ECDSA-AES128-GCM-SHA256'],
      ciphersuites: [here, 'ciphersuites = TLS_AES_128_GCM_SHA256'],
      CIPHER_SERVER_PREFERENCE: [
        here,
        'ciphers = ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256',
        'options = CIPHER_SERVER_PREFERENCE',
      ],
      sslVersion: [here, 'sslVersion = TLSv1.2'],
      'options = NO_TLSv1_3': [here, 'options = NO_TLSv1_3'],
      'securityLevel = 0': [here, 'securityLevel = 0'],
      local: [here, 'local = 127.0.0.2'],
      'local by name': [here, 'local = localhost'],
      include: [`include = ${included('include', `${here}\n`)}`],
    }),
  );
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

function pkcs12(): string {
  const path = join(folder, 'server.p12');
  const { cert, key } = lab.server;
  const args = ['pkcs12', '-export', '-out', path, '-in', cert, '-inkey', key, '-passout', 'pass:'];
  expect(spawnSync('openssl', args).status).toBe(0);
  return path;
}

const LOOPBACK = 'from 127.0.0.1';

describe('files', () => {
  const who = { good: lab.client, 'other CA': lab.otherClient, revoked: lab.revokedClient };

  test.each([
    { service: 'CApath', names: ['good', 'revoked'] },
    { service: 'CApath of a client', names: ['good'] },
    { service: 'CRLpath', names: ['good'] },
  ])('$service: hashed folders', async ({ service, names }) => {
    const both = await playBoth(programs, async ({ portOf }) => {
      const visits = Object.entries(who).map(async ([name, identity]) => {
        const { text } = await visit({ port: portOf(service), identity });
        return text === LOOPBACK ? [name] : [];
      });
      return (await Promise.all(visits)).flat();
    });
    expect(both).toEqual(same(names));
  });

  test.each(['PKCS#12', 'include'])('%s', async (service) => {
    const both = await playBoth(programs, async ({ portOf }) => (await visit({ port: portOf(service) })).text);
    expect(both).toEqual(same(LOOPBACK));
  });
});

/** What openssl and the service agree on; nothing where they do not. */
async function agreement(port: number, ...args: readonly string[]): Promise<string> {
  const { output } = await opensslClient(port, ...args);
  const [, version, cipher] = /^New, (\S+), Cipher is (\S+)$/m.exec(output) ?? [];
  const [, group = ''] =
    /^(?:Server Temp Key|Peer Temp Key|Negotiated TLS1\.3 group): (?:ECDH, )?([\w-]+)/m.exec(output) ?? [];
  return cipher === undefined || cipher === '(NONE)' ? '' : `${version} ${cipher} ${group}`;
}

describe('what is agreed on', () => {
  const eager = ['-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384', '-tls1_2'];

  test.each([
    { service: 'nothing said', args: ['-tls1_2'], agreed: 'TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384 X25519' },
    { service: 'nothing said', args: ['-tls1_3'], agreed: 'TLSv1.3 TLS_AES_256_GCM_SHA384 X25519' },
    { service: 'nothing said', args: eager, agreed: 'TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256 X25519' },
    { service: 'nothing said', args: ['-tls1_1', '-cipher', 'ALL@SECLEVEL=0'], agreed: '' },
    {
      service: 'securityLevel = 0',
      args: ['-tls1_1', '-cipher', 'ALL@SECLEVEL=0'],
      agreed: 'TLSv1.0 ECDHE-ECDSA-AES256-SHA X25519',
    },
    { service: 'config = MinProtocol', args: ['-tls1_2'], agreed: '' },
    { service: 'config = MinProtocol', args: ['-tls1_3'], agreed: 'TLSv1.3 TLS_AES_256_GCM_SHA384 X25519' },
    { service: 'config = MaxProtocol', args: ['-tls1_3'], agreed: '' },
    { service: 'config = CipherString', args: eager, agreed: 'TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384 X25519' },
    { service: 'config = Ciphersuites', args: ['-tls1_3'], agreed: 'TLSv1.3 TLS_CHACHA20_POLY1305_SHA256 X25519' },
    { service: 'curves', args: ['-tls1_3'], agreed: 'TLSv1.3 TLS_AES_256_GCM_SHA384 secp521r1' },
    { service: 'ciphers', args: ['-tls1_2'], agreed: 'TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256 X25519' },
    { service: 'ciphersuites', args: ['-tls1_3'], agreed: 'TLSv1.3 TLS_AES_128_GCM_SHA256 X25519' },
    { service: 'CIPHER_SERVER_PREFERENCE', args: eager, agreed: 'TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384 X25519' },
    { service: 'sslVersion', args: ['-tls1_3'], agreed: '' },
    { service: 'options = NO_TLSv1_3', args: [], agreed: 'TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384 X25519' },
  ])('$service, $args', async ({ service, args, agreed }) => {
    expect(await playBoth(programs, ({ portOf }) => agreement(portOf(service), ...args))).toEqual(same(agreed));
  });
});

test('on purpose, config = Groups has an effect: in stunnel the default of curves comes after it', async () => {
  const both = await playBoth(programs, ({ portOf }) => agreement(portOf('config = Groups'), '-tls1_3'));
  expect(both).toEqual({
    stunnel: 'TLSv1.3 TLS_AES_256_GCM_SHA384 X25519',
    icapgw: 'TLSv1.3 TLS_AES_256_GCM_SHA384 secp384r1',
  });
});

test('a client cannot renegotiate', async () => {
  const both = await playBoth(programs, async ({ portOf }) => {
    const child = spawn('openssl', ['s_client', '-tls1_2', '-connect', `127.0.0.1:${portOf('nothing said')}`], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        if (!said.includes(LOOPBACK) && `${said}${text}`.includes(LOOPBACK)) child.stdin.write('R\n');
        said += text;
      });
    }
    child.stdin.on('error', () => child.stdin.destroy());
    await once(child, 'close');
    return { isRefused: /no renegotiation|reset by peer|Broken pipe/.test(said), isServed: said.includes(LOOPBACK) };
  });
  expect(both).toEqual(same({ isRefused: true, isServed: true }));
});

describe('the address that a backend is asked from', () => {
  test.each([
    { service: 'local', text: 'from 127.0.0.2' },
    { service: 'local by name', text: LOOPBACK },
  ])('$service', async ({ service, text }) => {
    const both = await playBoth(programs, async ({ portOf }) => (await visit({ port: portOf(service) })).text);
    expect(both).toEqual(same(text));
  });
});
