import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Both, configText, type Programs, playBoth, same, startBoth } from '../_util/differential.ts';
import { type BackendVisit, type RecordingBackend, startRecordingBackend } from '../_util/differential-backend.ts';
import { WireClient } from '../_util/differential-client.ts';
import {
  answerAndClose,
  answerAtOnce,
  answerLate,
  CLOSE_SCENES,
  type CloseScene,
  delayed,
} from '../_util/differential-close.ts';
import type { WireEnd } from '../_util/watched-socket.ts';

/** What only a client that speaks TLS can do. */
interface Scene extends Omit<CloseScene, 'act'> {
  readonly act?: (client: WireClient) => Promise<void> | void;
}

interface Outcome {
  readonly client: WireEnd;
  readonly text: string;
  readonly backend: BackendVisit;
}

const ALIKE: Readonly<Record<string, Scene>> = {
  ...CLOSE_SCENES,
  'an answer after which the backend closes, TIMEOUTclose = 1': {
    lines: ['TIMEOUTclose = 1'],
    behave: answerAndClose,
    text: 'answer',
    received: 'request',
  },
  'TIMEOUTclose = 1 ends a connection whose client stays after the backend has gone': {
    lines: ['TIMEOUTclose = 1'],
    behave: answerAndClose,
    staysOpen: true,
    text: 'answer',
    received: 'request',
  },
  'a client that breaks off is an end for the backend': {
    behave: answerAtOnce,
    act: async (client) => {
      await client.receive('answer');
      client.sendReset();
    },
    text: 'answer',
    received: 'request',
  },
};

/** Those in which the client has finished first, or broken off: how the wire ends for it then is not compared. */
const UNTOLD: ReadonlySet<string> = new Set([
  'TIMEOUTclose = 1 is for each pause, not for the whole answer',
  'TIMEOUTclose = 1 ends the connection before an answer that comes later',
  'TIMEOUTclose = 0 ends the connection of a client that finished sending',
  'what the client sends after the other side has finished still arrives',
  'a client that breaks off is an end for the backend',
]);

const OTHERWISE: Readonly<Record<string, Scene>> = {
  'a backend that breaks off': {
    behave: (socket) =>
      void socket.on('data', () => socket.write('half', () => delayed(100, () => socket.resetAndDestroy()))),
    text: 'half',
    received: 'request',
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
    text: '100 late answer',
    received: 'request',
  },
};

const SCENES: Readonly<Record<string, Scene>> = { ...ALIKE, ...OTHERWISE };

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
    client.socket.write('request');
    await act?.(client);
    const end = await client.ended();
    return { client: end, text: client.text, backend: await backend.nextVisit() };
  });
}

describe.concurrent('connections end alike', () => {
  test.each(Object.entries(ALIKE))('%s', async (name, { text, received }) => {
    const seen = { text, backend: { received, end: 'fin' } };
    const outcome = UNTOLD.has(name) ? seen : { ...seen, client: 'close_notify' };
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
    expect(icapgw).toMatchObject({ text: '100 late answer', backend: { received: 'request', end: 'fin' } });
  });
});
