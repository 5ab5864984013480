import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { echo, startRecordingBackend } from '../_util/differential-backend.ts';
import { startGatewayAsStunnel } from '../_util/differential-gateway.ts';
import { startStunnel } from '../_util/stunnel-process.ts';
import { VERSIONS, visit } from '../_util/tls-client.ts';

const lab = certificates();
const STARTERS = { stunnel: startStunnel, icapgw: startGatewayAsStunnel };

/** What either program did with the same text and the same clients. */
interface Both<T> {
  readonly stunnel: T;
  readonly icapgw: T;
}

function configText(...lines: readonly string[]): string {
  return ['[icap]', 'accept = 127.0.0.1:0', `cert = ${lab.server.combined}`, ...lines, ''].join('\n');
}

/** Plays the same against stunnel and then against icapgw, each started with `text`. */
async function playBoth<T>(text: string, play: (port: number) => Promise<T>): Promise<Both<T>> {
  const playOne = async (name: keyof typeof STARTERS): Promise<T> => {
    await using tunnel = await STARTERS[name](text);
    return await play(tunnel.port);
  };
  return { stunnel: await playOne('stunnel'), icapgw: await playOne('icapgw') };
}

function same<T>(expected: T): Both<T> {
  return { stunnel: expected, icapgw: expected };
}

const folder = mkdtempSync(join(tmpdir(), 'icapgw-differential-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CLIENTS: Readonly<Record<string, LabIdentity | undefined>> = {
  'no certificate': undefined,
  good: lab.client,
  second: lab.secondClient,
  'other CA': lab.otherClient,
  'self-signed': lab.selfSignedClient,
  expired: lab.expiredClient,
  'server only': lab.serverOnlyClient,
  revoked: lab.revokedClient,
};
const EVERYBODY = Object.keys(CLIENTS);
const OF_THE_CA = ['good', 'second', 'revoked'];

/** Who of the clients gets through, with each version of TLS. */
async function admitted(lines: readonly string[]): Promise<Both<Record<string, string[]>>> {
  await using backend = await startRecordingBackend((socket) => {
    socket.write('welcome');
    echo(socket);
  });
  return await playBoth(configText(...lines, `connect = 127.0.0.1:${backend.port}`), async (port) => {
    const passed: Record<string, string[]> = {};
    for (const version of VERSIONS) {
      const names: string[] = [];
      for (const [name, identity] of Object.entries(CLIENTS)) {
        const { text } = await visit({ port, version, ...(identity !== undefined && { identity }) });
        if (text === 'welcome') names.push(name);
      }
      passed[version] = names;
    }
    return passed;
  });
}

function withEachVersion(names: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(VERSIONS.map((version) => [version, names]));
}

function bundle(...files: readonly string[]): string {
  const path = join(folder, `bundle-${files.length}.pem`);
  writeFileSync(path, files.map((file) => readFileSync(file, 'utf8')).join(''));
  return path;
}

describe('the same clients get in', () => {
  const ca = `CAfile = ${lab.ca.cert}`;
  const leaf = `CAfile = ${lab.client.cert}`;
  test.each<{ readonly name: string; readonly lines: readonly string[]; readonly names: readonly string[] }>([
    { name: 'no option of verification', lines: [], names: EVERYBODY },
    { name: 'verify = 0', lines: [ca, 'verify = 0'], names: EVERYBODY },
    { name: 'verify = 1', lines: [ca, 'verify = 1'], names: ['no certificate', ...OF_THE_CA] },
    { name: 'verify = 2', lines: [ca, 'verify = 2'], names: OF_THE_CA },
    { name: 'verifyChain', lines: [ca, 'verifyChain = yes'], names: OF_THE_CA },
    {
      name: 'verifyChain with CRLfile',
      lines: [ca, 'verifyChain = yes', `CRLfile = ${lab.crl}`],
      names: ['good', 'second'],
    },
    { name: 'verify = 2 with CRLfile', lines: [ca, 'verify = 2', `CRLfile = ${lab.crl}`], names: ['good', 'second'] },
    {
      name: 'verify = 3 with the CA and one certificate',
      lines: [`CAfile = ${bundle(lab.ca.cert, lab.client.cert)}`, 'verify = 3'],
      names: ['good'],
    },
    { name: 'verify = 4', lines: [leaf, 'verify = 4'], names: ['good'] },
    { name: 'verifyPeer', lines: [leaf, 'verifyPeer = yes'], names: ['good'] },
    {
      name: 'verifyPeer with a self-signed certificate',
      lines: [`CAfile = ${lab.selfSignedClient.cert}`, 'verifyPeer = yes'],
      names: ['self-signed'],
    },
    {
      name: 'verifyPeer with an expired certificate',
      lines: [`CAfile = ${lab.expiredClient.cert}`, 'verifyPeer = yes'],
      names: [],
    },
    { name: 'verifyPeer with only the CA', lines: [ca, 'verifyPeer = yes'], names: [] },
    {
      name: 'requireCert without verification',
      lines: [ca, 'requireCert = yes'],
      names: EVERYBODY.filter((name) => name !== 'no certificate'),
    },
  ])('$name', async ({ lines, names }) => {
    expect(await admitted(lines)).toEqual(same(withEachVersion(names)));
  });
});

describe('what is different on purpose', () => {
  test('CAfile alone requires a certificate: stunnel lets anybody in', async () => {
    const { stunnel, icapgw } = await admitted([`CAfile = ${lab.ca.cert}`]);
    expect(stunnel).toEqual(withEachVersion(EVERYBODY));
    expect(icapgw).toEqual(withEachVersion(OF_THE_CA));
  });

  test('verifyChain with only the certificate of a client is refused: stunnel starts and turns everybody away', async () => {
    const lines = [`CAfile = ${lab.client.cert}`, 'verifyChain = yes', 'connect = 127.0.0.1:9'];
    await using stunnel = await startStunnel(configText(...lines));
    const { text } = await visit({ port: stunnel.port, identity: lab.client });
    expect(text).toBe('');
    await expect(startGatewayAsStunnel(configText(...lines))).rejects.toThrow('ICAPGW_TLS_MATERIAL');
  });
});
