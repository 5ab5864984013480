import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import { ClearClient } from '../_util/clear-client.ts';
import { type Both, clientConfigText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import {
  type ServerSide,
  type ServerTls,
  type ServerVisit,
  startWireServer,
  type WireServer,
} from '../_util/tls-server.ts';

const lab = certificates();

interface Scene {
  readonly lines?: readonly string[];
  readonly server?: Partial<ServerTls>;
  /** What the server does with a connection. */
  readonly behave: (side: ServerSide) => void;
  /** What the client does when it has sent `request`; its end and the server's are waited for after that. */
  readonly act?: (client: ClearClient) => Promise<void> | void;
  readonly outcome: Outcome;
}

interface Outcome {
  readonly client: 'fin' | 'reset';
  readonly text: string;
  /** How the server's connection ended for it, and what it got; not looked at where it is left out. */
  readonly server?: Pick<ServerVisit, 'received' | 'end'>;
}

function answerAtOnce({ tls }: ServerSide): void {
  tls.on('data', () => tls.write('answer'));
  tls.on('end', () => tls.end());
}

function answerAndClose({ tls }: ServerSide): void {
  tls.once('data', () => tls.end('answer'));
}

/** Answers only when the client has finished sending. */
function answerLate({ tls }: ServerSide): void {
  tls.on('end', () => delayed(100, () => tls.end('late answer')));
}

function answerTooLate({ tls }: ServerSide): void {
  tls.on('end', () => delayed(1500, () => tls.end('late answer')));
}

function answerInPieces({ tls }: ServerSide): void {
  tls.on('end', async () => {
    for (const piece of ['one ', 'two ', 'three ', 'four']) {
      await setTimeout(400);
      tls.write(piece);
    }
    tls.end();
  });
}

/** Long enough for what came before it to have arrived everywhere. */
function delayed(ms: number, act: () => void): void {
  void setTimeout(ms).then(act);
}

const finish = (client: ClearClient): void => void client.socket.end();

const finishAfterAnswer = async (client: ClearClient): Promise<void> => {
  await client.receive('answer');
  client.socket.end();
};

const CLOSED = { received: 'request', end: 'close_notify' } as const;
const ORDERLY: Outcome = { client: 'fin', text: 'answer', server: CLOSED };
const LATE: Outcome = { client: 'fin', text: 'late answer', server: CLOSED };

const SCENES: Readonly<Record<string, Scene>> = {
  'a client that finished sending still gets its answer': { behave: answerLate, act: finish, outcome: LATE },
  'TIMEOUTclose = 1 leaves room for an answer that comes sooner': {
    lines: ['TIMEOUTclose = 1'],
    behave: answerLate,
    act: finish,
    outcome: LATE,
  },
  'TIMEOUTclose = 1 is for each pause, not for the whole answer': {
    lines: ['TIMEOUTclose = 1'],
    behave: answerInPieces,
    act: finish,
    outcome: { client: 'fin', text: 'one two three four', server: CLOSED },
  },
  'TIMEOUTclose = 1 ends the connection before an answer that comes later': {
    lines: ['TIMEOUTclose = 1'],
    behave: answerTooLate,
    act: finish,
    outcome: { client: 'fin', text: '', server: CLOSED },
  },
  'TIMEOUTclose = -1 waits for any answer': {
    lines: ['TIMEOUTclose = -1'],
    behave: answerTooLate,
    act: finish,
    outcome: LATE,
  },
  'TIMEOUTclose = 0 ends the connection of a client that finished sending': {
    lines: ['TIMEOUTclose = 0'],
    behave: answerLate,
    act: finish,
    outcome: { client: 'fin', text: '', server: CLOSED },
  },
  'a server that answers and closes': { behave: answerAndClose, outcome: ORDERLY },
  'a server that answers and closes, TIMEOUTclose = 0': {
    lines: ['TIMEOUTclose = 0'],
    behave: answerAndClose,
    outcome: { client: 'fin', text: 'answer' },
  },
  'what the client sends after the server has finished still arrives': {
    behave: answerAndClose,
    act: async (client) => {
      await client.receive('answer');
      client.socket.end(' and more');
    },
    outcome: { client: 'fin', text: 'answer', server: { received: 'request and more', end: 'close_notify' } },
  },
  'a client that closes after the answer': { behave: answerAtOnce, act: finishAfterAnswer, outcome: ORDERLY },
  'a server that breaks off': {
    behave: ({ tls, sendReset }) => void tls.on('data', () => tls.write('half', () => delayed(100, sendReset))),
    outcome: { client: 'fin', text: 'half', server: { received: 'request', end: 'reset' } },
  },
  'a server that sends FIN without close_notify': {
    behave: ({ tls, sendBareFin }) => void tls.on('data', () => tls.write('half', () => delayed(100, sendBareFin))),
    outcome: { client: 'fin', text: 'half', server: CLOSED },
  },
  'a server that finds out after the handshake that it wants a certificate': {
    server: { clientCa: lab.ca.cert, version: 'TLSv1.3' },
    behave: answerAtOnce,
    outcome: { client: 'reset', text: '' },
  },
  'a server that wants a certificate, with TLS 1.2': {
    server: { clientCa: lab.ca.cert, version: 'TLSv1.2' },
    behave: answerAtOnce,
    outcome: { client: 'reset', text: '' },
  },
  'a server that does not speak the version asked for': {
    lines: ['sslVersionMin = TLSv1.3'],
    server: { version: 'TLSv1.2' },
    behave: answerAtOnce,
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
