import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Both, configText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { type BackendVisit, type RecordingBackend, startRecordingBackend } from '../_util/differential-backend.ts';
import { WireClient } from '../_util/differential-client.ts';
import type { WireEnd } from '../_util/watched-socket.ts';

interface Scene {
  readonly lines?: readonly string[];
  /** What the backend does with a connection. */
  readonly behave: (socket: Socket) => void;
  readonly staysOpen?: boolean;
  /** What the client does when it has sent `request`; its end and the backend's are waited for after that. */
  readonly act?: (client: WireClient) => Promise<void> | void;
}

interface Outcome {
  readonly client: WireEnd;
  readonly text: string;
  readonly backend: BackendVisit;
}

function answerAtOnce(socket: Socket): void {
  socket.on('data', () => socket.write('answer'));
  socket.on('end', () => socket.end());
}

function answerAndClose(socket: Socket): void {
  socket.once('data', () => socket.end('answer'));
}

/** Answers only when the client has finished sending. */
function answerLate(socket: Socket): void {
  socket.on('end', () => delayed(100, () => socket.end('late answer')));
}

/** As `answerLate`, but after 1.5 seconds. */
function answerTooLate(socket: Socket): void {
  socket.on('end', () => delayed(1500, () => socket.end('late answer')));
}

/** Answers in pieces, 400 ms apart, when the client has finished sending. */
function answerInPieces(socket: Socket): void {
  socket.on('end', async () => {
    for (const piece of ['one ', 'two ', 'three ', 'four']) {
      await setTimeout(400);
      socket.write(piece);
    }
    socket.end();
  });
}

/** Long enough for what came before it to have arrived everywhere. */
function delayed(ms: number, act: () => void): void {
  void setTimeout(ms).then(act);
}

const finish = (client: WireClient): void => void client.tls.end();

const finishAfterAnswer = async (client: WireClient): Promise<void> => {
  await client.receive('answer');
  client.tls.end();
};

const FIN: BackendVisit = { received: 'request', end: 'fin' };
const ORDERLY = { client: 'close_notify', text: 'answer', backend: FIN } as const;
const LATE = { client: 'close_notify', text: 'late answer', backend: FIN } as const;

/** Those with an outcome end alike; the others have a test of their own below. */
const SCENES: Readonly<Record<string, Scene & { readonly outcome?: Partial<Outcome> }>> = {
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
    outcome: { text: 'one two three four', backend: FIN },
  },
  'TIMEOUTclose = 1 ends the connection before an answer that comes later': {
    lines: ['TIMEOUTclose = 1'],
    behave: answerTooLate,
    act: finish,
    outcome: { text: '', backend: FIN },
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
    outcome: { text: '', backend: FIN },
  },
  'a backend that answers and closes is followed by a close_notify': { behave: answerAndClose, outcome: ORDERLY },
  'a backend that answers and closes, TIMEOUTclose = 0': {
    lines: ['TIMEOUTclose = 0'],
    behave: answerAndClose,
    outcome: ORDERLY,
  },
  'a backend that answers and closes, TIMEOUTclose = 1': {
    lines: ['TIMEOUTclose = 1'],
    behave: answerAndClose,
    outcome: ORDERLY,
  },
  'TIMEOUTclose = 1 ends a connection whose client stays after the backend has gone': {
    lines: ['TIMEOUTclose = 1'],
    behave: answerAndClose,
    staysOpen: true,
    outcome: ORDERLY,
  },
  'what the client sends after the backend has finished still arrives': {
    behave: answerAndClose,
    staysOpen: true,
    act: async (client) => {
      await client.receive('answer');
      client.tls.end(' and more');
    },
    outcome: { text: 'answer', backend: { received: 'request and more', end: 'fin' } },
  },
  'a client that closes after the answer': { behave: answerAtOnce, act: finishAfterAnswer, outcome: ORDERLY },
  'a client that breaks off is an end for the backend': {
    behave: answerAtOnce,
    act: async (client) => {
      await client.receive('answer');
      client.sendReset();
    },
    outcome: { text: 'answer', backend: FIN },
  },
  'a backend that breaks off': {
    behave: (socket) =>
      void socket.on('data', () => socket.write('half', () => delayed(100, () => socket.resetAndDestroy()))),
  },
  'a client that sends FIN without close_notify': {
    behave: (socket) => {
      socket.on('data', () => socket.write('100 '));
      answerLate(socket);
    },
    act: async (client) => {
      await client.receive('100 ');
      client.sendBareFin();
    },
  },
};

const backends: RecordingBackend[] = [];
let programs: Programs;
beforeAll(async () => {
  const services: [string, readonly string[]][] = [];
  for (const [name, { behave, lines = [] }] of Object.entries(SCENES)) {
    const backend = await startRecordingBackend(behave);
    backends.push(backend);
    services.push([name, [...lines, `connect = 127.0.0.1:${backend.port}`]]);
  }
  programs = await startBoth(configText(Object.fromEntries(services)));
});
afterAll(async () => {
  await programs[Symbol.asyncDispose]();
  for (const backend of backends) await backend[Symbol.asyncDispose]();
});

/** One client of the service with that name, and its backend. */
async function playScene(name: string): Promise<Both<Outcome>> {
  const { staysOpen = false, act } = SCENES[name] as Scene;
  const backend = backends[Object.keys(SCENES).indexOf(name)] as RecordingBackend;
  return await playBoth(programs, async (program) => {
    const client = new WireClient(program.portOf(name), { staysOpen });
    await client.handshake();
    client.tls.write('request');
    await act?.(client);
    const end = await client.ended();
    return { client: end, text: client.text, backend: await backend.nextVisit() };
  });
}

describe.concurrent('connections end alike', () => {
  const alike = Object.entries(SCENES).filter(([, { outcome }]) => outcome !== undefined);
  test.each(alike)('%s', async (name, { outcome }) => {
    expect(await playScene(name)).toMatchObject(same(outcome));
  });
});

describe('connections end otherwise, on purpose', () => {
  test('a backend that breaks off is no orderly end: stunnel covers it with a close_notify', async () => {
    const { stunnel, icapgw } = await playScene('a backend that breaks off');
    expect(stunnel).toMatchObject({ client: 'close_notify', text: 'half' });
    expect(icapgw).toMatchObject({ client: 'fin', text: 'half' });
  });

  test('a client that sends FIN without close_notify gets the rest of its answer: stunnel gives it up', async () => {
    const { stunnel, icapgw } = await playScene('a client that sends FIN without close_notify');
    expect(stunnel).toMatchObject({ text: '100 ' });
    expect(icapgw).toMatchObject({ text: '100 late answer', backend: FIN });
  });
});
