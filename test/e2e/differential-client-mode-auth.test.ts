import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { ClearClient } from '../_util/clear-client.ts';
import { type Both, clientConfigText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { VERSIONS } from '../_util/tls-client.ts';
import { type ServerTls, startWireServer, type WireServer } from '../_util/tls-server.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-differential-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SERVERS: Readonly<Record<string, ServerTls>> = {
  good: { identity: lab.server },
  rsa: { identity: lab.rsaServer },
  'another name': { identity: lab.elsewhereServer },
  revoked: { identity: lab.revokedServer },
  'via intermediate': { identity: lab.viaIntermediateServer, chain: lab.viaIntermediateServer.chain },
  'via intermediate, not sent': { identity: lab.viaIntermediateServer },
  expired: { identity: lab.expiredServer },
  'client only': { identity: lab.client },
  'other CA': { identity: lab.otherServer },
  'self-signed': { identity: lab.selfSignedServer },
};
const ALL = Object.keys(SERVERS);
const OF_THE_CA = ['good', 'rsa', 'another name', 'revoked', 'via intermediate'];
const LOCAL = ['good', 'rsa', 'revoked', 'via intermediate'];

interface Row {
  readonly lines: readonly string[];
  /** Of whom something gets through. */
  readonly names: readonly string[];
}

const ca = `CAfile = ${lab.ca.cert}`;
const chain = [ca, 'verifyChain = yes'];
const pinned = ({ cert }: LabIdentity): string[] => [`CAfile = ${cert}`, 'verifyPeer = yes'];

function bundle(...files: readonly string[]): string {
  const path = join(folder, `bundle-${files.length}.pem`);
  writeFileSync(path, files.map((file) => readFileSync(file, 'utf8')).join(''));
  return path;
}

const ROWS: Readonly<Record<string, Row>> = {
  'nothing said': { lines: [], names: ALL },
  'CAfile alone': { lines: [ca], names: ALL },
  'verify = 0': { lines: [ca, 'verify = 0'], names: ALL },
  requireCert: { lines: ['requireCert = yes'], names: ALL },
  'verifyChain, then verifyChain = no': { lines: [...chain, 'verifyChain = no'], names: ALL },
  'verify = 1': { lines: [ca, 'verify = 1'], names: OF_THE_CA },
  'verify = 2': { lines: [ca, 'verify = 2'], names: OF_THE_CA },
  verifyChain: { lines: chain, names: OF_THE_CA },
  'verifyChain with an intermediate CA alone': {
    lines: [`CAfile = ${lab.intermediateCa.cert}`, 'verifyChain = yes'],
    names: [],
  },
  'verifyChain and checkHost': { lines: [...chain, 'checkHost = localhost'], names: LOCAL },
  'verifyChain and checkIP': { lines: [...chain, 'checkIP = 127.0.0.1'], names: LOCAL },
  'verifyChain and a name of nobody': { lines: [...chain, 'checkHost = nobody.example'], names: [] },
  'verifyChain and one name of several lists': {
    lines: [...chain, 'checkHost = elsewhere.example', 'checkIP = 192.0.2.7', 'checkEmail = a@b.example'],
    names: ['another name'],
  },
  'verifyChain and CRLfile': { lines: [...chain, `CRLfile = ${lab.crl}`], names: ['good', 'rsa', 'another name'] },
  'verifyChain and a CRLfile that is out of date': { lines: [...chain, `CRLfile = ${lab.expiredCrl}`], names: [] },
  'verify = 3 with the CA alone': { lines: [ca, 'verify = 3'], names: [] },
  'verify = 3 with the CA and a server': {
    lines: [`CAfile = ${bundle(lab.ca.cert, lab.server.cert)}`, 'verify = 3'],
    names: ['good'],
  },
  'verify = 4': { lines: [`CAfile = ${lab.server.cert}`, 'verify = 4'], names: ['good'] },
  verifyPeer: { lines: pinned(lab.server), names: ['good'] },
  'verifyPeer and a name it has not': { lines: [...pinned(lab.server), 'checkHost = elsewhere.example'], names: [] },
  'verifyPeer with the CA': { lines: pinned(lab.ca), names: [] },
  'verifyPeer with a self-signed server': { lines: pinned(lab.selfSignedServer), names: ['self-signed'] },
  'verifyPeer with an expired server': { lines: pinned(lab.expiredServer), names: [] },
  'verifyPeer with a certificate for clients only': { lines: pinned(lab.client), names: [] },
};

let server: WireServer;
let programs: Programs;
beforeAll(async () => {
  server = await startWireServer({ identity: lab.server }, ({ tls }) => tls.end('welcome'));
  const connect = `connect = 127.0.0.1:${server.port}`;
  const sections = Object.entries(ROWS).map(([name, { lines }]) => [name, [...lines, connect]] as const);
  programs = await startBoth(clientConfigText(Object.fromEntries(sections)));
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Which servers get something through to a client, by the version of TLS. */
async function admitted(service: string): Promise<Both<Record<string, readonly string[]>>> {
  return await playBoth(programs, async (program) => {
    const found: Record<string, readonly string[]> = {};
    for (const version of VERSIONS) {
      const names: string[] = [];
      for (const [name, shown] of Object.entries(SERVERS)) {
        server.show({ ...shown, version });
        // Twice: what was refused once must not come in by a session, nor what was let in be lost by one.
        const texts = [await visit(program.portOf(service)), await visit(program.portOf(service))];
        if (texts.every((text) => text === 'welcome')) names.push(name);
        else if (texts.some((text) => text !== '')) names.push(`${name}: ${texts.join(' then ')}`);
      }
      found[version] = names;
    }
    return found;
  });
}

async function visit(port: number): Promise<string> {
  const client = new ClearClient(port);
  client.socket.write('hello');
  await client.ended();
  return client.text;
}

function withEachVersion(names: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(VERSIONS.map((version) => [version, names]));
}

describe('the same servers are trusted', () => {
  test.each(Object.entries(ROWS))('%s', async (service, { names }) => {
    expect(await admitted(service)).toEqual(same(withEachVersion(names)));
  });
});
