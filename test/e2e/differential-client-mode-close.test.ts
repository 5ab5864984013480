import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { ClearClient } from '../_util/clear-client.ts';
import { type Both, clientConfigText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { answerAtOnce, CLOSE_SCENES, type CloseScene, delayed } from '../_util/differential-close.ts';
import {
  type ServerSide,
  type ServerTls,
  type ServerVisit,
  startWireServer,
  type WireServer,
} from '../_util/tls-server.ts';

const lab = certificates();

interface Scene extends Pick<CloseScene, 'lines' | 'act'> {
  readonly server?: Partial<ServerTls>;
  /** What the server does with a connection. */
  readonly behave: (side: ServerSide) => void;
  readonly outcome: Outcome;
}

interface Outcome {
  readonly client: 'fin' | 'reset';
  readonly text: string;
  /** How the server's connection ended for it, and what it got; not looked at where it is left out. */
  readonly server?: Pick<ServerVisit, 'received' | 'end'>;
}

/** The end of a server that closes at once while its client may say more. */
const UNTOLD = 'an answer after which the other side closes, TIMEOUTclose = 0';

const SHARED = Object.entries(CLOSE_SCENES).map(([name, scene]): [string, Scene] => {
  const { lines = [], behave, act, text, received } = scene;
  const seen = { client: 'fin', text } as const;
  const outcome = name === UNTOLD ? seen : { ...seen, server: { received, end: 'close_notify' as const } };
  return [name, { lines, behave: ({ tls }) => behave(tls), ...(act !== undefined && { act }), outcome }];
});

const SCENES: Readonly<Record<string, Scene>> = {
  ...Object.fromEntries(SHARED),
  'a server that breaks off': {
    behave: ({ tls, sendReset }) => void tls.on('data', () => tls.write('half', () => delayed(100, sendReset))),
    outcome: { client: 'fin', text: 'half', server: { received: 'request', end: 'reset' } },
  },
  'a server that sends FIN without close_notify': {
    behave: ({ tls, sendBareFin }) => void tls.on('data', () => tls.write('half', () => delayed(100, sendBareFin))),
    outcome: { client: 'fin', text: 'half', server: { received: 'request', end: 'close_notify' } },
  },
  'a server that finds out after the handshake that it wants a certificate': {
    server: { clientCa: lab.ca.cert, version: 'TLSv1.3' },
    behave: ({ tls }) => answerAtOnce(tls),
    outcome: { client: 'reset', text: '' },
  },
  'a server that wants a certificate, with TLS 1.2': {
    server: { clientCa: lab.ca.cert, version: 'TLSv1.2' },
    behave: ({ tls }) => answerAtOnce(tls),
    outcome: { client: 'reset', text: '' },
  },
  'a server that does not speak the version asked for': {
    lines: ['sslVersionMin = TLSv1.3'],
    server: { version: 'TLSv1.2' },
    behave: ({ tls }) => answerAtOnce(tls),
    outcome: { client: 'reset', text: '' },
  },
  'TIMEOUTidle = 1 resets a connection on which nothing moves': {
    lines: ['TIMEOUTidle = 1'],
    behave: ({ tls }) => void tls.on('data', () => tls.write('answer')),
    outcome: { client: 'reset', text: 'answer', server: { received: 'request', end: 'reset' } },
  },
};

const servers: WireServer[] = [];
let programs: Programs;
beforeAll(async () => {
  const sections: [string, readonly string[]][] = [];
  for (const [name, { behave, server, lines = [] }] of Object.entries(SCENES)) {
    const started = await startWireServer({ identity: lab.server, ...server }, behave);
    servers.push(started);
    sections.push([name, [...lines, `connect = 127.0.0.1:${started.port}`]]);
  }
  programs = await startBoth(clientConfigText(Object.fromEntries(sections)));
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  for (const server of servers) await server[Symbol.asyncDispose]();
});

/** One client of the service with that name, and its server. */
async function playScene(name: string): Promise<Both<Outcome>> {
  const { act, outcome } = SCENES[name] as Scene;
  const server = servers[Object.keys(SCENES).indexOf(name)] as WireServer;
  return await playBoth(programs, async (program) => {
    const client = new ClearClient(program.portOf(name));
    client.socket.write('request');
    await act?.(client);
    const end = await client.ended();
    if (outcome.server === undefined) return { client: end, text: client.text };
    const visit = await server.nextVisit();
    return { client: end, text: client.text, server: { received: visit.received, end: visit.end } };
  });
}

describe.concurrent('connections end alike', () => {
  test.each(Object.entries(SCENES))('%s', async (name, { outcome }) => {
    expect(await playScene(name)).toEqual(same(outcome));
  });
});
