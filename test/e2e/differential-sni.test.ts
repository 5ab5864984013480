import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import { type Both, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { startNamedBackend } from '../_util/e2e-sni.ts';
import type { TunnelBackend } from '../_util/e2e-tunnel.ts';
import type { TunnelProcess } from '../_util/stunnel-process.ts';
import { VERSIONS, visit } from '../_util/tls-client.ts';
import { opensslVisit } from '../_util/tls-openssl.ts';

const lab = certificates();
const folder = mkdtempSync(join(tmpdir(), 'icapgw-sni-'));

const BACKENDS = ['main', 'secure', 'wild', 'narrow', 'pinned', 'all', 'rest'] as const;
let backends: ReadonlyMap<string, TunnelBackend>;
let programs: Programs;

beforeAll(async () => {
  backends = new Map(await Promise.all(BACKENDS.map(async (name) => [name, await startNamedBackend(name)] as const)));
  const section = (name: string, cert: LabIdentity, ...lines: readonly string[]): string =>
    [`[${name}]`, `connect = ${backends.get(name)?.address}`, `cert = ${cert.combined}`, ...lines].join('\n');
  const text = [
    section('main', lab.server, 'accept = 127.0.0.1:0'),
    section('secure', lab.rsaServer, 'sni = main:Secure.example', `CAfile = ${lab.ca.cert}`, 'verifyChain = yes'),
    section('wild', lab.selfSignedServer, 'sni = main:*.wild.example'),
    // Covered by the one before.
    section('narrow', lab.rsaServer, 'sni = main:a.wild.example'),
    section(
      'pinned',
      lab.selfSignedServer,
      'sni = main:pinned.example',
      `CAfile = ${lab.otherClient.cert}`,
      'verifyPeer = yes',
    ),
    section('all', lab.server, 'accept = 127.0.0.1:0', `CAfile = ${lab.ca.cert}`, 'verifyChain = yes'),
    section('rest', lab.rsaServer, 'sni = all:*'),
  ];
  programs = await startBoth(`${text.join('\n')}\n`);
});

afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  for (const backend of backends.values()) await backend[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

interface Caller {
  readonly service?: string;
  readonly servername?: string;
  readonly identity?: LabIdentity;
}

/** Who serves with which certificate, with each version of TLS; nobody where the client is refused. */
function who({ service = 'main', servername, identity }: Caller): Promise<Both<Record<string, string>>> {
  return playBoth(programs, async (one) => {
    const served: Record<string, string> = {};
    for (const version of VERSIONS) {
      const { text, servedBy } = await visit({
        port: one.portOf(service),
        version,
        ...(identity && { identity }),
        more: servername === undefined ? {} : { servername },
      });
      served[version] = text === '' ? 'refused' : `${text.trim()} with ${servedBy}`;
    }
    return served;
  });
}

function always(outcome: string): Both<Record<string, string>> {
  return same(Object.fromEntries(VERSIONS.map((version) => [version, outcome])));
}

describe('the same service and certificate is met', () => {
  test.each<Caller & { readonly name: string; readonly outcome: string }>([
    { name: 'without a name', outcome: 'served by main with server' },
    { name: 'by an unknown name', servername: 'unknown.example', outcome: 'served by main with server' },
    { name: 'by the domain of a wildcard', servername: 'wild.example', outcome: 'served by main with server' },
    {
      ...{ name: 'by its name, in another case', servername: 'SECURE.Example', identity: lab.client },
      outcome: 'served by secure with rsa-server',
    },
    {
      ...{ name: 'by a longer name', servername: 'x.secure.example', identity: lab.client },
      outcome: 'served by main with server',
    },
    { name: 'by a wildcard', servername: 'b.WILD.example', outcome: 'served by wild with self-signed-server' },
    {
      ...{ name: 'by a wildcard over several labels', servername: 'c.b.wild.example' },
      outcome: 'served by wild with self-signed-server',
    },
    {
      ...{ name: 'by the first of two patterns', servername: 'a.wild.example' },
      outcome: 'served by wild with self-signed-server',
    },
    {
      ...{ name: 'by any name, where an asterisk stands for all', service: 'all', servername: 'any.example' },
      outcome: 'served by rest with rsa-server',
    },
    {
      ...{ name: 'without a name, where an asterisk stands for all', service: 'all', identity: lab.client },
      outcome: 'served by all with server',
    },
  ])('$name', async ({ outcome, ...caller }) => {
    expect(await who(caller)).toEqual(always(outcome));
  });
});

describe('the same clients are refused', () => {
  test.each<Caller & { readonly name: string }>([
    { name: 'without the certificate that a named service wants', servername: 'secure.example' },
    { name: 'of a CA that it does not trust', servername: 'secure.example', identity: lab.otherClient },
    { name: 'that are not the pinned one', servername: 'pinned.example', identity: lab.client },
    { name: 'without a name, where only named services are open', service: 'all' },
  ])('$name', async (caller) => {
    expect(await who(caller)).toEqual(always('refused'));
  });
});

/** Who serves a client that got a session by one name and offers it by another, as nobody. */
function carried(from: Caller, servername: string | undefined): Promise<Both<Record<string, unknown>>> {
  return playBoth(programs, async (one: TunnelProcess) => {
    const outcomes: Record<string, unknown> = {};
    for (const version of VERSIONS) {
      const file = join(folder, 'session.pem');
      const port = one.portOf('main');
      const { server } = await opensslVisit({
        ...{ port, version, servername: from.servername, kept: file },
        ...(from.identity && { identity: from.identity }),
      });
      expect(server).toBeDefined();
      outcomes[version] = await opensslVisit({ port, version, servername, offered: file });
    }
    return outcomes;
  });
}

describe('what is different on purpose: a session is worth nothing to another service', () => {
  const anew = { server: undefined, isReused: false };

  test('of the open one, where a certificate is wanted: stunnel lets its holder in without any', async () => {
    expect(await carried({}, 'secure.example')).toEqual({
      stunnel: {
        'TLSv1.2': { server: 'main', isReused: true },
        'TLSv1.3': { server: 'secure', isReused: true },
      },
      icapgw: { 'TLSv1.2': anew, 'TLSv1.3': anew },
    });
  });

  test('of one that trusts a CA, where another certificate is pinned: stunnel takes it', async () => {
    expect(await carried({ servername: 'secure.example', identity: lab.client }, 'pinned.example')).toEqual({
      stunnel: {
        'TLSv1.2': { server: 'secure', isReused: true },
        'TLSv1.3': { server: 'pinned', isReused: true },
      },
      icapgw: { 'TLSv1.2': anew, 'TLSv1.3': anew },
    });
  });

  test('but to its own it is, in both', async () => {
    const both = await carried({ servername: 'secure.example', identity: lab.client }, 'secure.example');
    const reused = { server: 'secure', isReused: true };
    expect(both).toEqual(same({ 'TLSv1.2': reused, 'TLSv1.3': reused }));
  });
});
