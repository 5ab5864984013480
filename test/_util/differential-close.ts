import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { DifferentialClient } from './differential-client.ts';

/** One way for a connection to end, whichever side of the program speaks TLS. */
export interface CloseScene {
  readonly lines?: readonly string[];
  /** What whoever the client was led to does with a connection. */
  readonly behave: (socket: Socket) => void;
  /** The client goes on writing when the other side has finished. */
  readonly staysOpen?: boolean;
  /** What the client does when it has sent `request`; both ends are waited for after that. */
  readonly act?: (client: DifferentialClient) => Promise<void> | void;
  /** What the client gets. */
  readonly text: string;
  /** What is got of the client. */
  readonly received: string;
}

/** Answers everything, and finishes when the client has. */
export function answerAtOnce(socket: Socket): void {
  socket.on('data', () => socket.write('answer'));
  socket.on('end', () => socket.end());
}

/** Answers the first that comes, and finishes. */
export function answerAndClose(socket: Socket): void {
  socket.once('data', () => socket.end('answer'));
}

/** Answers only when the client has finished sending. */
export function answerLate(socket: Socket): void {
  socket.on('end', () => delayed(100, () => socket.end('late answer')));
}

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
export function delayed(ms: number, act: () => void): void {
  void setTimeout(ms).then(act);
}

function finish({ socket }: DifferentialClient): void {
  socket.end();
}

async function finishAfterAnswer(client: DifferentialClient): Promise<void> {
  await client.receive('answer');
  client.socket.end();
}

const LATE = { act: finish, text: 'late answer', received: 'request' };
const CUT = { act: finish, text: '', received: 'request' };
const ANSWERED = { behave: answerAndClose, text: 'answer', received: 'request' };

/** Those that both modes have; by name, in the order they are told in. */
export const CLOSE_SCENES: Readonly<Record<string, CloseScene>> = {
  'a client that finished sending still gets its answer': { ...LATE, behave: answerLate },
  'TIMEOUTclose = 1 leaves room for an answer that comes sooner': {
    ...LATE,
    lines: ['TIMEOUTclose = 1'],
    behave: answerLate,
  },
  'TIMEOUTclose = 1 is for each pause, not for the whole answer': {
    ...LATE,
    lines: ['TIMEOUTclose = 1'],
    behave: answerInPieces,
    text: 'one two three four',
  },
  'TIMEOUTclose = 1 ends the connection before an answer that comes later': {
    ...CUT,
    lines: ['TIMEOUTclose = 1'],
    behave: answerTooLate,
  },
  'TIMEOUTclose = -1 waits for any answer': { ...LATE, lines: ['TIMEOUTclose = -1'], behave: answerTooLate },
  'TIMEOUTclose = 0 ends the connection of a client that finished sending': {
    ...CUT,
    lines: ['TIMEOUTclose = 0'],
    behave: answerLate,
  },
  'an answer after which the other side closes': ANSWERED,
  'an answer after which the other side closes, TIMEOUTclose = 0': { ...ANSWERED, lines: ['TIMEOUTclose = 0'] },
  'what the client sends after the other side has finished still arrives': {
    ...ANSWERED,
    staysOpen: true,
    act: async (client) => {
      await client.receive('answer');
      client.socket.end(' and more');
    },
    received: 'request and more',
  },
  'a client that closes after the answer': { ...ANSWERED, behave: answerAtOnce, act: finishAfterAnswer },
};
