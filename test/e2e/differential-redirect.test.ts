import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { type Both, configText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { startNamedBackend } from '../_util/e2e-sni.ts';
import { startTunnelBackend, type TunnelBackend } from '../_util/e2e-tunnel.ts';
import { VERSIONS, visit } from '../_util/tls-client.ts';
import { type OpensslVisit, opensslVisit } from '../_util/tls-openssl.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-redirect-'));

const headers: string[] = [];
let backends: ReadonlyMap<string, TunnelBackend>;
let listener: TunnelBackend;
let programs: Programs;

beforeAll(async () => {
  const names = ['backend', 'sorry', 'second'] as const;
  backends = new Map(await Promise.all(names.map(async (name) => [name, await startNamedBackend(name)] as const)));
  listener = await startTunnelBackend((socket) => {
    socket.once('data', (bytes) => {
      headers.push(bytes.toString().split(' ').slice(0, 4).join(' '));
      socket.end('thanks');
    });
  });
  const to = (option: string, name: string): string => `${option} = ${backends.get(name)?.address}`;
  const [backend, sorry, second] = [to('connect', 'backend'), to('redirect', 'sorry'), to('redirect', 'second')];
  const ca = `CAfile = ${lab.ca.cert}`;
  const chain = [ca, 'verifyChain = yes', backend];
  const text = configText({
    chain: [...chain, sorry],
    revoked: [...chain, `CRLfile = ${lab.crl}`, sorry],
    named: [...chain, 'checkHost = client.example', sorry],
    pinned: [`CAfile = ${lab.client.cert}`, 'verifyPeer = yes', backend, sorry],
    optional: [ca, 'verify = 1', backend, sorry],
    lenient: [...chain, 'requireCert = no', sorry],
    ordered: [...chain, 'redirect = 127.0.0.1:9', sorry, second],
    turns: [...chain, 'failover = rr', sorry, second],
    nobody: [...chain, 'redirect = 127.0.0.1:9'],
    proxy: [...chain, 'protocol = proxy', `redirect = ${listener.address}`],
  });
  programs = await startBoth(text, 'stunnel');
});

afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  for (const each of [...backends.values(), listener]) await each[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

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

/** Who gets to the backend, with each version of TLS; all others are redirected. */
function served(service: string): Promise<Both<Record<string, readonly string[]>>> {
  return playBoth(programs, async (one) => {
    const names: Record<string, readonly string[]> = {};
    for (const version of VERSIONS) {
      const passed: string[] = [];
      for (const [name, identity] of Object.entries(CLIENTS)) {
        const { text } = await visit({ port: one.portOf(service), version, ...(identity && { identity }) });
        expect(text, name).toMatch(/^served by (?:backend|sorry)\n$/);
        if (text === 'served by backend\n') passed.push(name);
      }
      names[version] = passed;
    }
    return names;
  });
}

describe('the same clients are redirected, and the same get to the backend', () => {
  test.each([
    ['chain', ['good', 'second', 'revoked']],
    ['revoked', ['good', 'second']],
    ['named', ['good']],
    ['pinned', ['good']],
    ['optional', ['good', 'second', 'revoked']],
    ['lenient', ['good', 'second', 'revoked']],
  ])('%s', async (service, names) => {
    expect(await served(service)).toEqual(same({ 'TLSv1.2': names, 'TLSv1.3': names }));
  });
});

/** The second of two visits, with the session of the first and without the certificate. */
function returning(identity: LabIdentity | undefined): Promise<Both<Record<string, OpensslVisit>>> {
  return playBoth(programs, async (one) => {
    const visits: Record<string, OpensslVisit> = {};
    for (const version of VERSIONS) {
      const file = join(folder, 'session.pem');
      const base = { port: one.portOf('chain'), version, servername: undefined };
      await opensslVisit({ ...base, identity, kept: file });
      visits[version] = await opensslVisit({ ...base, offered: file });
    }
    return visits;
  });
}

describe('who resumes a session goes where it went before', () => {
  test.each([
    ['a client that passes', lab.client, 'backend'],
    ['one that shows nothing', undefined, 'sorry'],
    ['one that is not trusted', lab.otherClient, 'sorry'],
  ] as const)('%s', async (_, identity, server) => {
    const visits = await returning(identity);
    const servers = (of: Record<string, OpensslVisit>): Record<string, unknown> =>
      Object.fromEntries(Object.entries(of).map(([version, each]) => [version, each.server]));
    expect({ stunnel: servers(visits.stunnel), icapgw: servers(visits.icapgw) }).toEqual(
      same({ 'TLSv1.2': server, 'TLSv1.3': server }),
    );
  });
});

function greetings(service: string, count: number): Promise<Both<string[]>> {
  return playBoth(programs, async (one) => {
    const texts: string[] = [];
    for (let i = 0; i < count; i += 1) texts.push((await visit({ port: one.portOf(service) })).text);
    return texts;
  });
}

describe('the same addresses are used', () => {
  test('in the order of the file, past one that is dead', async () => {
    expect(await greetings('ordered', 3)).toEqual(same(Array.from({ length: 3 }, () => 'served by sorry\n')));
  });

  test('in turn with failover = rr', async () => {
    for (const texts of Object.values(await greetings('turns', 4))) {
      // Which of them begins is nobody's business.
      expect(texts.slice(0, 2).toSorted()).toEqual(['served by second\n', 'served by sorry\n']);
      expect(texts.slice(2)).toEqual(texts.slice(0, 2));
    }
  });

  test('and with none that answers the client is reset', async () => {
    const both = await playBoth(programs, async (one) => {
      const { text, error } = await visit({ port: one.portOf('nobody') });
      return { text, error };
    });
    expect(both).toEqual(same({ text: '', error: 'ECONNRESET' }));
  });

  test('with protocol = proxy they are told who the client is', async () => {
    headers.length = 0;
    expect(await greetings('proxy', 1)).toEqual(same(['thanks']));
    expect(headers).toEqual(['PROXY TCP4 127.0.0.1 127.0.0.1', 'PROXY TCP4 127.0.0.1 127.0.0.1']);
  });
});

test('both say so in their logs, and go on to name the service that the client came to', async () => {
  const both = await playBoth(programs, async (program) => {
    const from = program.log.length;
    await visit({ port: program.portOf('chain') });
    const said = (): string[] => program.log.slice(from).map((line) => line.replace(/^.* LOG\d\[\d+\]: /, ''));
    await expect.poll(said).toContainEqual(expect.stringMatching(/^Connection (?:closed|reset)/));
    return said().flatMap((line) => /^Redirecting connection|^Service \[.*\] connected remote server/.exec(line) ?? []);
  });
  expect(both).toEqual(same(['Redirecting connection', 'Service [chain] connected remote server']));
});
