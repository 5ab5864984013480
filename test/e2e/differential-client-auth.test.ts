import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { type Both, configText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { echo, type RecordingBackend, startRecordingBackend } from '../_util/differential-backend.ts';
import { WireClient } from '../_util/differential-client.ts';
import { startGatewayAsStunnel } from '../_util/differential-gateway.ts';
import { startStunnel } from '../_util/stunnel-process.ts';
import { type TlsVisitOptions, VERSIONS, visit } from '../_util/tls-client.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-differential-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CLIENTS: Readonly<Record<string, Pick<TlsVisitOptions, 'identity' | 'chain'>>> = {
  'no certificate': {},
  good: { identity: lab.client },
  second: { identity: lab.secondClient },
  revoked: { identity: lab.revokedClient },
  'server only': { identity: lab.serverOnlyClient },
  'via intermediate': { identity: lab.viaIntermediateClient, chain: lab.viaIntermediateClient.chain },
  'via intermediate, not sent': { identity: lab.viaIntermediateClient },
  expired: { identity: lab.expiredClient },
  'other CA': { identity: lab.otherClient },
  'self-signed': { identity: lab.selfSignedClient },
};
const EVERYBODY = Object.keys(CLIENTS);
const WITH_CERTIFICATE = EVERYBODY.filter((name) => name !== 'no certificate');
const OF_THE_CA = ['good', 'second', 'revoked', 'via intermediate'];

interface Row {
  readonly lines: readonly string[];
  readonly names: readonly string[];
  /** Who gets through icapgw, where that is not the same on purpose. */
  readonly icapgw?: readonly string[];
}

const chain = [`CAfile = ${lab.ca.cert}`, 'verifyChain = yes'];
const pinned = (identity: LabIdentity): string[] => [`CAfile = ${identity.cert}`, 'verifyPeer = yes'];

const ROWS: Readonly<Record<string, Row>> = {
  'nothing said': { lines: [], names: EVERYBODY },
  'verify = 0': { lines: [`CAfile = ${lab.ca.cert}`, 'verify = 0'], names: EVERYBODY },
  'verify = 0 without a CA': { lines: ['verify = 0'], names: EVERYBODY },
  'verify = 1': { lines: [`CAfile = ${lab.ca.cert}`, 'verify = 1'], names: ['no certificate', ...OF_THE_CA] },
  'verify = 2': { lines: [`CAfile = ${lab.ca.cert}`, 'verify = 2'], names: OF_THE_CA },
  verifyChain: { lines: chain, names: OF_THE_CA },
  'verifyChain with an intermediate CA alone': {
    lines: [`CAfile = ${lab.intermediateCa.cert}`, 'verifyChain = yes'],
    names: [],
  },
  'verify = 3 with the CA alone': { lines: [`CAfile = ${lab.ca.cert}`, 'verify = 3'], names: [] },
  'verify = 3 with the CA and a client': {
    lines: [`CAfile = ${bundle(lab.ca.cert, lab.client.cert)}`, 'verify = 3'],
    names: ['good'],
  },
  'verifyChain and verifyPeer': {
    lines: [`CAfile = ${bundle(lab.ca.cert, lab.client.cert)}`, 'verifyChain = yes', 'verifyPeer = yes'],
    names: ['good'],
  },
  'verify = 4': { lines: [`CAfile = ${lab.client.cert}`, 'verify = 4'], names: ['good'] },
  verifyPeer: { lines: pinned(lab.client), names: ['good'] },
  'verifyPeer with the CA': { lines: pinned(lab.ca), names: [] },
  'verifyPeer with a self-signed client': { lines: pinned(lab.selfSignedClient), names: ['self-signed'] },
  'verifyPeer with an expired client': { lines: pinned(lab.expiredClient), names: [] },
  'verifyPeer with a client for servers only': { lines: pinned(lab.serverOnlyClient), names: [] },
  requireCert: { lines: ['requireCert = yes'], names: WITH_CERTIFICATE },
  'requireCert and CAfile': { lines: [`CAfile = ${lab.ca.cert}`, 'requireCert = yes'], names: WITH_CERTIFICATE },
  'verifyChain, then requireCert = no': {
    lines: [...chain, 'requireCert = no'],
    names: ['no certificate', ...OF_THE_CA],
  },
  'requireCert = no, then verifyChain': { lines: ['requireCert = no', ...chain], names: OF_THE_CA },
  'verifyChain, then verifyChain = no': { lines: [...chain, 'verifyChain = no'], names: WITH_CERTIFICATE },
  'verifyChain with CRLfile': { lines: [...chain, `CRLfile = ${lab.crl}`], names: ['good', 'second'] },
  'verify = 2 with CRLfile': {
    lines: [`CAfile = ${lab.ca.cert}`, 'verify = 2', `CRLfile = ${lab.crl}`],
    names: ['good', 'second'],
  },
  'verifyChain with CRLfile of both issuers': {
    lines: [...chain, `CRLfile = ${bundle(lab.crl, lab.intermediateCrl)}`],
    names: ['good', 'second', 'via intermediate'],
  },
  'verifyChain with an old CRLfile': { lines: [...chain, `CRLfile = ${lab.expiredCrl}`], names: [] },
  'verify = 3 with CRLfile': {
    lines: [`CAfile = ${bundle(lab.ca.cert, lab.client.cert)}`, 'verify = 3', `CRLfile = ${lab.crl}`],
    names: ['good'],
  },
  checkHost: { lines: [...chain, 'checkHost = client.example'], names: ['good'] },
  'checkHost, twice': {
    lines: [...chain, 'checkHost = second-client.example', 'checkHost = client.example'],
    names: ['good', 'second'],
  },
  'checkHost of nobody or checkEmail': {
    lines: [...chain, 'checkHost = nobody.example', 'checkEmail = client@client.example'],
    names: [],
  },
  'checkIP of nobody or checkHost': {
    lines: [...chain, 'checkIP = 192.0.2.1', 'checkHost = client.example'],
    names: ['good'],
  },
  'checkHost with verifyPeer': { lines: [...pinned(lab.client), 'checkHost = second-client.example'], names: [] },
  'CAfile alone': { lines: [`CAfile = ${lab.ca.cert}`], names: EVERYBODY, icapgw: OF_THE_CA },
  'CAfile alone, of a client': { lines: [`CAfile = ${lab.client.cert}`], names: EVERYBODY, icapgw: ['good'] },
  'CRLfile of the leaf alone': {
    lines: [...chain, `CRLfile = ${lab.intermediateCrl}`],
    names: ['via intermediate'],
    icapgw: [],
  },
};

let backend: RecordingBackend;
let programs: Programs;
beforeAll(async () => {
  backend = await startRecordingBackend((socket) => {
    socket.write('welcome');
    echo(socket);
  });
  const connect = `connect = 127.0.0.1:${backend.port}`;
  const services = Object.entries(ROWS).map(([name, { lines }]) => [name, [...lines, connect]] as const);
  programs = await startBoth(configText(Object.fromEntries(services)));
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

/** Who of the clients gets through a service, with each version of TLS. */
function admitted(service: string): Promise<Both<Record<string, readonly string[]>>> {
  return playBoth(programs, async (program) => {
    const port = program.portOf(service);
    const passed = VERSIONS.map(async (version) => {
      const visits = Object.entries(CLIENTS).map(async ([name, client]) => {
        const { text } = await visit({ port, version, ...client });
        return text === 'welcome' ? [name] : [];
      });
      return [version, (await Promise.all(visits)).flat()] as const;
    });
    return Object.fromEntries(await Promise.all(passed));
  });
}

function withEachVersion(names: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(VERSIONS.map((version) => [version, names]));
}

function bundle(...files: readonly string[]): string {
  const path = join(folder, `${files.map((file) => file.replace(/.*\//, '')).join('-')}`);
  writeFileSync(path, files.map((file) => readFileSync(file, 'utf8')).join(''));
  return path;
}

describe('the same clients get in', () => {
  test.each(Object.entries(ROWS).filter(([, row]) => row.icapgw === undefined))('%s', async (name, { names }) => {
    expect(await admitted(name)).toEqual(same(withEachVersion(names)));
  });

  test('a client without a certificate gets the alert of its version', async () => {
    const both = await playBoth(programs, async (program) => {
      const refusals = VERSIONS.map(
        async (version) => (await visit({ port: program.portOf('verify = 2'), version })).error,
      );
      return await Promise.all(refusals);
    });
    expect(both).toEqual(
      same(['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED']),
    );
  });

  test.each(VERSIONS)('a client that is not trusted is reset, %s', async (version) => {
    const both = await playBoth(programs, async (program) => {
      const client = new WireClient(program.portOf('verify = 2'), { version, identity: lab.otherClient });
      return await client.ended();
    });
    expect(both).toEqual(same('reset'));
  });
});

describe('other clients get in, on purpose', () => {
  test.each(Object.entries(ROWS).filter(([, row]) => row.icapgw !== undefined))('%s', async (name, row) => {
    const expected = { stunnel: withEachVersion(row.names), icapgw: withEachVersion(row.icapgw ?? []) };
    expect(await admitted(name)).toEqual(expected);
  });
});

describe('icapgw refuses to start where stunnel', () => {
  const here = 'connect = 127.0.0.1:9';

  test.each<{ readonly name: string; readonly lines: readonly string[]; readonly error: string }>([
    {
      name: 'turns everybody away: verifyChain with the certificate of a client',
      lines: [`CAfile = ${lab.client.cert}`, 'verifyChain = yes', here],
      error: 'ICAPGW_TLS_MATERIAL',
    },
    {
      name: 'turns everybody away: verifyPeer with CRLfile',
      lines: [`CAfile = ${lab.client.cert}`, 'verifyPeer = yes', `CRLfile = ${lab.crl}`, here],
      error: 'with verifyPeer alone no list is asked',
    },
  ])('$name', async ({ lines, error }) => {
    const text = configText({ icap: lines });
    await using stunnel = await startStunnel(text);
    const { text: heard } = await visit({ port: stunnel.port, identity: lab.client });
    expect(heard).toBe('');
    await expect(startGatewayAsStunnel(text)).rejects.toThrow(error);
  });

  test('goes on without the CAfile that it cannot find', async () => {
    const text = configText({ icap: [`CAfile = ${join(folder, 'missing.pem')}`, here] });
    await using stunnel = await startStunnel(text);
    expect(stunnel.port).toBeGreaterThan(0);
    await expect(startGatewayAsStunnel(text)).rejects.toThrow('there is no such file');
  });
});

test.each<{ readonly name: string; readonly lines: readonly string[] }>([
  { name: 'verify without a CA', lines: ['verify = 2'] },
  { name: 'verifyChain without a CA', lines: ['verifyChain = yes'] },
  { name: 'verifyPeer without a CA', lines: ['verifyPeer = yes'] },
  {
    name: 'verifyChain with a file that is no certificate',
    lines: [`CAfile = ${lab.server.key}`, 'verifyChain = yes'],
  },
  { name: 'checkHost without verification', lines: [`CAfile = ${lab.ca.cert}`, 'checkHost = client.example'] },
  { name: 'a CRLfile that is not there', lines: [...chain, `CRLfile = ${join(folder, 'missing.pem')}`] },
])('neither starts: $name', async ({ lines }) => {
  const text = configText({ icap: [...lines, 'connect = 127.0.0.1:9'] });
  await expect(startStunnel(text)).rejects.toThrow('Configuration failed');
  await expect(startGatewayAsStunnel(text)).rejects.toThrow('icapgw ended');
});
