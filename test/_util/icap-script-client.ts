import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { HeaderPart, Section } from '../../src/icap/encapsulated.ts';
import { fieldValue, type ParsedField } from '../../src/icap/field.ts';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import type { MessageReader } from '../../src/icap/message-reader.ts';
import type { ResponseHead } from '../../src/icap/response-head.ts';
import { createResponseReader } from '../../src/icap/response-reader.ts';
import type { LabIdentity } from './certificate-lab.ts';
import type { Departure } from './icap-script-connection.ts';
import { type Bytes, bytesOf } from './icap-script-message.ts';

/** One answer, as far as it has come. */
export interface Answer {
  readonly status: number;
  readonly head: ResponseHead;
  readonly fields: readonly ParsedField[];
  sections: readonly Section[];
  /** In the pieces it came in. */
  readonly data: Buffer[];
  readonly body: Buffer;
  useOriginalBody: number | undefined;
  isComplete: boolean;
  field(name: string): string | undefined;
  section(part: HeaderPart): string | undefined;
}

/** The connection ended before the answer did. */
export class AnswerCut extends Error {
  /** What had come of it; undefined: not even its head. */
  readonly partial: Answer | undefined;

  constructor(partial: Answer | undefined) {
    super(partial === undefined ? 'the connection ended without an answer' : 'the connection ended inside an answer');
    this.partial = partial;
  }
}

/** An ICAP client whose every byte a test decides. Disposing cuts it. */
export interface ScriptClient extends AsyncDisposable {
  readonly socket: Socket;
  /** All that has come. */
  readonly received: Buffer;
  /** What each read brought. */
  readonly packets: readonly Buffer[];
  /** How the other side ended the connection. */
  readonly gone: Promise<Departure>;
  /** Sends each piece in a write of its own and waits until the kernel has it. */
  send(...pieces: readonly Bytes[]): Promise<void>;
  /** The next answer, a 100 included. `method` is that of the request it answers. */
  answer(method?: string): Promise<Answer>;
  /** The same as soon as its head and header blocks are there; its body grows while more arrives. */
  beginAnswer(method?: string): Promise<Answer>;
  /** Sends and takes the next answer; the method is read off the bytes. */
  ask(request: Bytes): Promise<Answer>;
  /** Ends this side in good order. */
  finish(): void;
  /** Ends this side with a reset. */
  reset(): void;
}

export async function connectScriptClient(port: number): Promise<ScriptClient> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  return driveScriptClient(socket);
}

/** The same over TLS, showing that identity to any server. */
export async function connectTlsScriptClient(port: number, { cert, key }: LabIdentity): Promise<ScriptClient> {
  const identity = { cert: readFileSync(cert), key: readFileSync(key) };
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...identity });
  await once(socket, 'secureConnect');
  return driveScriptClient(socket);
}

/** Takes over a connected socket, TLS or not. */
export function driveScriptClient(socket: Socket): ScriptClient {
  const packets: Buffer[] = [];
  const waiting = new Set<() => void>();
  const { promise: gone, resolve: leave } = Promise.withResolvers<Departure>();
  let method = 'REQMOD';
  let isGone = false;
  const reader = createResponseReader(DEFAULT_ICAP_LIMITS, () => method);
  let current: Answer | undefined;
  let isFirst = true;
  const wake = (): void => {
    for (const look of [...waiting]) look();
  };
  const end = (departure: Departure): void => {
    isGone = true;
    leave(departure);
    wake();
  };
  socket.on('data', (bytes: Buffer) => {
    packets.push(bytes);
    reader.push(bytes);
    wake();
  });
  socket.on('end', () => end('fin'));
  socket.on('error', () => end('reset'));
  socket.on('close', () => end('reset'));

  const take = (isEnough: (answer: Answer) => boolean): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        try {
          current = advance(reader, current, isEnough);
        } catch (error) {
          waiting.delete(look);
          reject(error);
          return;
        }
        if (current !== undefined && isEnough(current)) {
          resolve(current);
        } else if (isGone) {
          reject(new AnswerCut(current));
        } else {
          return;
        }
        waiting.delete(look);
      };
      waiting.add(look);
      look();
    });
  const begin = async (of: string): Promise<Answer> => {
    if (current === undefined || current.isComplete) {
      if (!isFirst) reader.next();
      isFirst = false;
      current = undefined;
      method = of;
    }
    return take((answer) => answer.isComplete || hasSections(answer));
  };
  const whole = async (of: string): Promise<Answer> => {
    await begin(of);
    return take((answer) => answer.isComplete);
  };
  const send = async (...pieces: readonly Bytes[]): Promise<void> => {
    for (const piece of pieces) {
      if (socket.destroyed) return;
      await new Promise<void>((resolve) => socket.write(bytesOf(piece), () => resolve()));
    }
  };
  return {
    socket,
    packets,
    gone,
    get received() {
      return Buffer.concat(packets);
    },
    send,
    beginAnswer: (of = 'REQMOD') => begin(of),
    answer: (of = 'REQMOD') => (current?.isComplete === false ? take((answer) => answer.isComplete) : whole(of)),
    async ask(request) {
      const sent = send(request);
      const answer = await whole(/^\w+/.exec(bytesOf(request).toString('latin1', 0, 16))?.[0] ?? 'REQMOD');
      await sent;
      return answer;
    },
    finish: () => socket.end(),
    reset: () => socket.resetAndDestroy(),
    async [Symbol.asyncDispose]() {
      if (socket.closed) return;
      socket.destroy();
      await once(socket, 'close');
    },
  };
}

function hasSections({ head, sections }: Answer): boolean {
  return sections.length === head.encapsulated.headers.length;
}

function advance(
  reader: MessageReader<ResponseHead>,
  answer: Answer | undefined,
  isEnough: (answer: Answer) => boolean,
): Answer | undefined {
  let current = answer;
  while (current === undefined || !isEnough(current)) {
    const event = reader.read();
    if (event === undefined) break;
    if (event.type === 'head') {
      current = createAnswer(event.head);
    } else if (current !== undefined) {
      if (event.type === 'sections') current.sections = event.sections;
      if (event.type === 'data') current.data.push(event.data);
      if (event.type === 'end') {
        current.isComplete = true;
        current.useOriginalBody = event.useOriginalBody;
      }
    }
  }
  return current;
}

function createAnswer(head: ResponseHead): Answer {
  return {
    status: head.status,
    head,
    fields: head.fields,
    sections: [],
    data: [],
    get body() {
      return Buffer.concat(this.data);
    },
    useOriginalBody: undefined,
    isComplete: false,
    field: (name) => fieldValue(head.fields, name.toLowerCase()),
    section(part) {
      return this.sections.find((section) => section.part === part)?.bytes.toString('latin1');
    },
  };
}
