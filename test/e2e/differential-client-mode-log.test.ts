import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { ClearClient } from '../_util/clear-client.ts';
import { clientConfigText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import type { TunnelProcess } from '../_util/stunnel-process.ts';
import { type ServerSide, type ServerTls, startWireServer, type WireServer } from '../_util/tls-server.ts';

const lab = certificates();
const chain = [`CAfile = ${lab.ca.cert}`, 'verifyChain = yes'];

interface Scene {
  readonly lines?: readonly string[];
  readonly server?: ServerTls;
  readonly behave?: (side: ServerSide) => void;
  /** The client sends more once it has its answer. */
  readonly insists?: boolean;
  /** What both programs say of the connection, ports and places in OpenSSL left out. */
  readonly said: readonly string[];
}

const CONNECTED = [
  'LOG5 s_connect: connected 127.0.0.1:PORT',
  'LOG5 Service [NAME] connected remote server from 127.0.0.1:PORT',
];
const SNI = 'LOG6 SNI: sending servername: localhost';
const NEGOTIATED = ['LOG6 TLS connected: new session negotiated', 'LOG6 TLSv1.3 ciphersuite: TLS_AES_256_GCM_SHA384'];
const CLOSED = 'LOG5 Connection closed: 7 byte(s) sent to TLS, 6 byte(s) sent to socket';
const REFUSED = [
  'LOG4 Rejected by CERT at depth=0: CN=server',
  'LOG3 SSL_connect: error:0A000086:SSL routines::certificate verify failed',
  'LOG5 Connection closed/reset: 0 byte(s) sent to TLS, 0 byte(s) sent to socket',
];

const SCENES: Readonly<Record<string, Scene>> = {
  trusted: {
    lines: [...chain, 'checkHost = localhost'],
    said: [...CONNECTED, SNI, 'LOG5 Certificate accepted at depth=0: CN=server', ...NEGOTIATED, CLOSED],
  },
  unverified: {
    said: [...CONNECTED, SNI, 'LOG6 Certificate verification disabled', ...NEGOTIATED, CLOSED],
  },
  'no name': {
    lines: [...chain, 'checkHost = nobody.example'],
    said: ['LOG5 s_connect: connected 127.0.0.1:PORT', 'LOG4 CERT: Subject checks failed', ...REFUSED],
  },
  'not pinned': {
    lines: [`CAfile = ${lab.client.cert}`, 'verifyPeer = yes'],
    said: [
      'LOG5 s_connect: connected 127.0.0.1:PORT',
      'LOG4 CERT: Certificate not found in local repository',
      ...REFUSED,
    ],
  },
  'other CA': {
    lines: [`CAfile = ${lab.otherCa.cert}`, 'verifyChain = yes'],
    said: [
      'LOG5 s_connect: connected 127.0.0.1:PORT',
      'LOG4 CERT: Pre-verification error: unable to get local issuer certificate',
      ...REFUSED,
    ],
  },
  revoked: {
    lines: [...chain, `CRLfile = ${lab.crl}`],
    server: { identity: lab.revokedServer },
    said: [
      'LOG5 s_connect: connected 127.0.0.1:PORT',
      'LOG4 CERT: Pre-verification error: certificate revoked',
      'LOG4 Rejected by CERT at depth=0: CN=revoked-server',
      ...REFUSED.slice(1),
    ],
  },
  expired: {
    lines: chain,
    server: { identity: lab.expiredServer },
    said: [
      'LOG5 s_connect: connected 127.0.0.1:PORT',
      'LOG4 CERT: Pre-verification error: certificate has expired',
      'LOG4 Rejected by CERT at depth=0: CN=expired-server',
      ...REFUSED.slice(1),
    ],
  },
  'broken off': {
    insists: true,
    behave: ({ tls, sendReset }) => {
      tls.on('data', (text) => (String(text) === 'request' ? tls.write('answer') : sendReset()));
    },
    said: [
      ...CONNECTED,
      'LOG6 TLS fd: Connection reset by peer (104)',
      'LOG5 Connection closed: 12 byte(s) sent to TLS, 6 byte(s) sent to socket',
    ],
  },
  idle: {
    lines: ['TIMEOUTidle = 1'],
    behave: ({ tls }) => void tls.on('data', () => tls.write('answer')),
    said: [
      ...CONNECTED,
      'LOG6 transfer: s_poll_wait: TIMEOUTidle exceeded: sending reset',
      'LOG5 Connection reset: 7 byte(s) sent to TLS, 6 byte(s) sent to socket',
    ],
  },
};

const servers: WireServer[] = [];
let programs: Programs;
beforeAll(async () => {
  const sections: [string, readonly string[]][] = [];
  for (const [name, { lines = [], server = { identity: lab.server }, behave }] of Object.entries(SCENES)) {
    const answer = ({ tls }: ServerSide): void => void tls.on('data', () => tls.end('answer'));
    const started = await startWireServer(server, behave ?? answer);
    servers.push(started);
    sections.push([name, [...lines, `connect = localhost:${started.port}`]]);
  }
  const text = clientConfigText(Object.fromEntries(sections));
  programs = await startBoth(text, 'stunnel');
});
afterAll(async () => {
  for (const each of [programs, ...servers]) await each[Symbol.asyncDispose]();
});

/** What a program says of one connection of a service: its level and text. */
async function saidOf(program: TunnelProcess, service: string): Promise<string[]> {
  const client = new ClearClient(program.portOf(service));
  client.socket.write('request');
  if (SCENES[service]?.insists === true) {
    await client.receive('answer');
    client.socket.write('again');
  }
  await client.ended();
  const lines = (): string[] => {
    const accepted = program.log.find((line) => line.includes(`Service [${service}] accepted connection`));
    const id = /LOG5(\[\d+\]): /.exec(accepted ?? '')?.[1];
    return id === undefined ? [] : program.log.filter((line) => line.includes(`${id}: `));
  };
  await expect.poll(() => lines().at(-1)).toMatch(/LOG5\[\d+\]: Connection (closed|reset)/);
  return lines().map((line) =>
    line
      .replace(/^.* (LOG\d)\[\d+\]: /, '$1 ')
      .replace(`[${service}]`, '[NAME]')
      .replace(/(127\.0\.0\.1):\d+/, '$1:PORT')
      .replace(/\S+\.c:\d+: /, '')
      .replace(' (256-bit encryption)', ''),
  );
}

describe('the lines of client mode are those of stunnel', () => {
  test.each(Object.entries(SCENES))('%s', async (service, { said }) => {
    // Others may stand between them.
    const both = await playBoth(programs, async (program) =>
      (await saidOf(program, service)).filter((line) => said.includes(line)).filter(isFirst),
    );
    expect(both).toEqual(same(said));
  });
});

function isFirst(line: string, index: number, lines: readonly string[]): boolean {
  return lines.indexOf(line) === index;
}
