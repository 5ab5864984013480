import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { ClearClient } from '../_util/clear-client.ts';
import { type Both, clientConfigText, playBoth, same, startBoth } from '../_util/differential.ts';
import { echo } from '../_util/differential-backend.ts';
import {
  describeReload,
  greetings,
  type ReloadRig,
  reload,
  sayBoth,
  settle,
  settleBoth,
} from '../_util/differential-reload.ts';
import { type ServerTls, type ServerVisit, startWireServer, type WireServer } from '../_util/tls-server.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-differential-'));
const certFile = join(folder, 'cert.pem');
const caFile = join(folder, 'ca.pem');
const crlFile = join(folder, 'crl.pem');

const servers: WireServer[] = [];
let asking: WireServer;
let named: WireServer;
let revoked: WireServer;
let rig: ReloadRig;
beforeAll(async () => {
  const start = async (name: string, shown: Partial<ServerTls> = {}): Promise<WireServer> => {
    const server = await startWireServer({ identity: lab.server, ...shown }, ({ tls }) => {
      tls.write(name);
      echo(tls);
    });
    servers.push(server);
    return server;
  };
  const first = to(await start('first'));
  const second = to(await start('second'));
  asking = await start('asking', { clientCa: lab.ca.cert, version: 'TLSv1.3' });
  named = await start('named');
  revoked = await start('revoked', { identity: lab.revokedServer });
  const programs = await startBoth(clientConfigText({ icap: [first] }), 'stunnel');
  rig = { programs, first, second, textOf: clientConfigText, dial: (port) => new ClearClient(port) };
});
afterAll(async () => {
  await rig.programs[Symbol.asyncDispose]();
  for (const server of servers) await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  expect(await reload(rig, { icap: [rig.first] })).toEqual(same('taken'));
});

function to({ port }: WireServer): string {
  return `connect = 127.0.0.1:${port}`;
}

/** What the server sees of a client of either program. */
async function seen(server: WireServer): Promise<Both<ServerVisit>> {
  return await playBoth(rig.programs, async (program) => {
    const client = await settle(rig.dial(program.portOf('icap')));
    client.socket.end('request');
    await client.ended();
    return await server.nextVisit();
  });
}

describeReload(() => rig, 'fin', {
  'a certificate without its key': [`cert = ${lab.client.cert}`],
  'a key that is not there': [`cert = ${lab.client.cert}`, 'key = /nowhere.pem'],
  'a CA that is not there': ['CAfile = /nowhere.pem', 'verifyChain = yes'],
  'the PROXY protocol, which is for servers': ['protocol = proxy'],
  'redirect, which is for servers': [`CAfile = ${lab.ca.cert}`, 'verifyChain = yes', 'redirect = 127.0.0.1:9'],
});

describe('SIGHUP, in client mode', () => {
  test('another certificate is shown, and one in a file of the same name is read again', async () => {
    const shown = async (file: string): Promise<Both<string>> => {
      expect(await reload(rig, { icap: [to(asking), `cert = ${file}`] })).toEqual(same('taken'));
      const { stunnel, icapgw } = await seen(asking);
      return { stunnel: stunnel.clientName, icapgw: icapgw.clientName };
    };
    copyFileSync(lab.client.combined, certFile);
    expect(await shown(certFile)).toEqual(same('client'));
    expect(await shown(lab.secondClient.combined)).toEqual(same('second-client'));
    copyFileSync(lab.secondClient.combined, certFile);
    expect(await shown(certFile)).toEqual(same('second-client'));
  });

  test('another name is sent to the server', async () => {
    for (const serverName of ['front.example', 'back.example']) {
      expect(await reload(rig, { icap: [to(named), `sni = ${serverName}`] })).toEqual(same('taken'));
      expect(await seen(named)).toMatchObject(same({ serverName }));
    }
  });

  test.each<readonly [string, () => readonly string[], () => readonly string[]]>([
    [
      'another CA',
      () => [rig.first, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes'],
      () => [rig.first, `CAfile = ${lab.otherCa.cert}`, 'verifyChain = yes'],
    ],
    [
      'another name that its certificate must have',
      () => [rig.first, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes', 'checkHost = localhost'],
      () => [rig.first, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes', 'checkHost = other.example'],
    ],
    [
      'a revocation list',
      () => [to(revoked), `CAfile = ${lab.ca.cert}`, 'verifyChain = yes'],
      () => [to(revoked), `CAfile = ${lab.ca.cert}`, 'verifyChain = yes', `CRLfile = ${lab.crl}`],
    ],
    [
      'verification where there was none',
      () => [rig.first],
      () => [rig.first, `CAfile = ${lab.otherCa.cert}`, 'verifyChain = yes'],
    ],
  ])('%s: a server that lost its trust is met no more, and what is open to it goes on', async (_, trusting, strict) => {
    expect(await reload(rig, { icap: trusting() })).toEqual(same('taken'));
    const open = await settleBoth(rig, 'icap');
    const { text } = open.icapgw;
    expect(await reload(rig, { icap: strict() })).toEqual(same('taken'));
    expect(await greetings(rig, 'icap')).toEqual(same(''));
    expect(await sayBoth(open, ' still')).toEqual(same(`${text} still fin`));
    expect(await reload(rig, { icap: trusting() })).toEqual(same('taken'));
    expect(await greetings(rig, 'icap')).toEqual(same(text));
  });

  test('a CA in a file of the same name is read again', async () => {
    copyFileSync(lab.ca.cert, caFile);
    const sections = { icap: [rig.first, `CAfile = ${caFile}`, 'verifyChain = yes'] };
    expect(await reload(rig, sections)).toEqual(same('taken'));
    expect(await greetings(rig, 'icap')).toEqual(same('first'));
    copyFileSync(lab.otherCa.cert, caFile);
    expect(await reload(rig, sections)).toEqual(same('taken'));
    expect(await greetings(rig, 'icap')).toEqual(same(''));
  });

  test('a section that becomes one of a server goes on with what it has open', async () => {
    const open = await settleBoth(rig, 'icap');
    const server = ['client = no', `cert = ${lab.server.combined}`, rig.first];
    expect(await reload(rig, { icap: server })).toEqual(same('taken'));
    expect(await sayBoth(open, ' still')).toEqual(same('first still fin'));
  });
});

test('a revocation list is read again without SIGHUP, on purpose: in stunnel only with it', async () => {
  copyFileSync(lab.intermediateCrl, crlFile);
  const sections = { icap: [rig.first, `CAfile = ${lab.ca.cert}`, 'verifyChain = yes', `CRLfile = ${crlFile}`] };
  expect(await reload(rig, sections)).toEqual(same('taken'));
  expect(await greetings(rig, 'icap')).toEqual(same(''));
  copyFileSync(lab.crl, crlFile);
  await expect.poll(async () => (await greetings(rig, 'icap')).icapgw).toBe('first');
  expect((await greetings(rig, 'icap')).stunnel).toBe('');
  expect(await reload(rig, sections)).toEqual(same('taken'));
  expect(await greetings(rig, 'icap')).toEqual(same('first'));
});
