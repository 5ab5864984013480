import type { Socket } from 'node:net';
import { IcapProtocolError } from '../../src/errors.ts';
import type { HeaderPart, Section } from '../../src/icap/encapsulated.ts';
import { fieldValue } from '../../src/icap/field.ts';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import type { BodyEnding, MessageEvent, MessageReader } from '../../src/icap/message-reader.ts';
import type { RequestHead } from '../../src/icap/request-head.ts';
import { createRequestReader } from '../../src/icap/request-reader.ts';
import { type Bytes, bytesOf } from './icap-script-message.ts';

/** How the other side left: in good order, or by a reset or a cut. */
export type Departure = 'fin' | 'reset';

/** The connection ended while somebody waited for more of its request. */
export class ConnectionGone extends Error {
  constructor() {
    super('the connection ended before the request did');
  }
}

type Play = (exchange: ScriptedExchange) => Promise<void>;

/** One connection to a scripted backend: its requests one after the other, each read strictly. */
export class ScriptedConnection {
  readonly socket: Socket;
  readonly exchanges: ScriptedExchange[] = [];
  /** What each read of the socket brought: what was written at one time arrives at one time. */
  readonly packets: Buffer[] = [];
  /** Whether a request came before the one before it was answered. */
  isPipelined = false;
  readonly gone: Promise<Departure>;
  readonly #reader: MessageReader<RequestHead> = createRequestReader(DEFAULT_ICAP_LIMITS);
  readonly #play: Play;
  readonly #onProblem: (problem: string) => void;
  #receivedBytes = 0;
  #messageAt = 0;
  #exchange: ScriptedExchange | undefined;
  #isMessageOver = false;
  #isScriptOver = false;
  #departure: Departure | undefined;

  constructor(socket: Socket, play: Play, onProblem: (problem: string) => void) {
    this.socket = socket;
    this.#play = play;
    this.#onProblem = onProblem;
    const { promise, resolve } = Promise.withResolvers<Departure>();
    this.gone = promise;
    const leave = (departure: Departure): void => {
      this.#departure ??= departure;
      resolve(this.#departure);
      this.#exchange?.wake();
    };
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('end', () => {
      leave('fin');
      if (this.#exchange === undefined) socket.end();
    });
    socket.on('error', () => leave('reset'));
    socket.on('close', () => leave('reset'));
  }

  get departure(): Departure | undefined {
    return this.#departure;
  }

  get isOpen(): boolean {
    return this.#departure === undefined;
  }

  /** All that came. */
  get received(): Buffer {
    return Buffer.concat(this.packets);
  }

  /** Reads on after a preview. */
  continueBody(): void {
    this.#isMessageOver = false;
    this.#reader.continueBody();
    this.#read();
  }

  #receive(bytes: Buffer): void {
    this.packets.push(bytes);
    this.#receivedBytes += bytes.length;
    this.#reader.push(bytes);
    this.#read();
  }

  #read(): void {
    try {
      for (let event = this.#reader.read(); event !== undefined; event = this.#reader.read()) this.#take(event);
    } catch (error) {
      if (!(error instanceof IcapProtocolError)) throw error;
      this.#onProblem(`${error.message} after ${JSON.stringify(this.received.toString('latin1').slice(0, 2000))}`);
      this.socket.resetAndDestroy();
    }
    if (this.#isMessageOver && this.#reader.unreadBytes > 0 && !this.#isScriptOver) this.isPipelined = true;
    this.#exchange?.wake();
    this.#goOn();
  }

  #take(event: MessageEvent<RequestHead>): void {
    if (event.type === 'head') {
      const headBytes = this.received.subarray(this.#messageAt, this.#receivedBytes - this.#reader.unreadBytes);
      const exchange = new ScriptedExchange(this, event.head, headBytes.toString('latin1'), this.exchanges.length);
      this.exchanges.push(exchange);
      this.#exchange = exchange;
      this.#isScriptOver = false;
      this.#play(exchange).then(() => {
        this.#isScriptOver = true;
        this.#goOn();
      }, this.#fail);
      return;
    }
    this.#exchange?.take(event);
    if (event.type === 'end') this.#isMessageOver = true;
  }

  /** Turns to the next request once this one has been both read and answered. */
  #goOn(): void {
    if (!this.#isScriptOver || !this.#isMessageOver || this.#exchange === undefined) {
      if (this.#isScriptOver && this.#departure === 'fin') this.socket.end();
      return;
    }
    this.#exchange = undefined;
    this.#isMessageOver = false;
    this.#messageAt = this.#receivedBytes - this.#reader.unreadBytes;
    this.#reader.next();
    if (this.#departure === 'fin') this.socket.end();
    else this.#read();
  }

  readonly #fail = (error: unknown): void => {
    throw error;
  };
}

/** One request to a scripted backend, while it arrives, and the means to answer it. */
export class ScriptedExchange {
  readonly connection: ScriptedConnection;
  readonly head: RequestHead;
  /** The ICAP head byte for byte, with its blank line. */
  readonly headText: string;
  /** Its place on the connection. */
  readonly turn: number;
  sections: readonly Section[] = [];
  readonly endings: BodyEnding[] = [];
  readonly #data: Buffer[] = [];
  readonly #waiting: Set<() => void> = new Set();

  constructor(connection: ScriptedConnection, head: RequestHead, headText: string, turn: number) {
    this.connection = connection;
    this.head = head;
    this.headText = headText;
    this.turn = turn;
  }

  /** The body as far as it has come. */
  get received(): Buffer {
    return Buffer.concat(this.#data);
  }

  /** Whether the client has sent all of it. */
  get isComplete(): boolean {
    const last = this.endings.at(-1);
    return last !== undefined && last !== 'preview';
  }

  field(name: string): string | undefined {
    return fieldValue(this.head.fields, name.toLowerCase());
  }

  section(part: HeaderPart): string | undefined {
    return this.sections.find((section) => section.part === part)?.bytes.toString('latin1');
  }

  /** The end of the preview, or of the body where there is none. */
  async arrived(): Promise<BodyEnding> {
    await this.until(() => this.endings.length > 0);
    return this.endings[0] ?? 'complete';
  }

  /** The whole body; the client is told to continue where it waits for that. */
  async body(): Promise<Buffer> {
    if ((await this.arrived()) === 'preview' && this.endings.length === 1) this.continue();
    await this.until(() => this.isComplete);
    return this.received;
  }

  /** Resolves once this many bytes of the body are there. */
  async bytes(count: number): Promise<Buffer> {
    await this.until(() => this.#data.reduce((sum, { length }) => sum + length, 0) >= count);
    return this.received;
  }

  continue(): void {
    this.send('ICAP/1.0 100 Continue\r\n\r\n');
    this.connection.continueBody();
  }

  send(bytes: Bytes): void {
    this.connection.socket.write(bytesOf(bytes));
  }

  /** Sends in pieces of this many bytes, each in a write of its own. */
  async dribble(bytes: Bytes, pieceBytes: number): Promise<void> {
    const all = bytesOf(bytes);
    for (let at = 0; at < all.length; at += pieceBytes) {
      this.send(all.subarray(at, at + pieceBytes));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Sends the last bytes and finishes. */
  end(bytes: Bytes = ''): void {
    this.connection.socket.end(bytesOf(bytes));
  }

  reset(): void {
    this.connection.socket.resetAndDestroy();
  }

  /** Says nothing for as long as the other side waits. */
  async stall(): Promise<void> {
    await this.connection.gone;
  }

  async until(isDone: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (isDone()) resolve();
        else if (!this.connection.isOpen) reject(new ConnectionGone());
        else return;
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
    });
  }

  take(event: MessageEvent<RequestHead>): void {
    if (event.type === 'sections') this.sections = event.sections;
    else if (event.type === 'data') this.#data.push(event.data);
    else if (event.type === 'end') this.endings.push(event.ending);
  }

  wake(): void {
    for (const look of [...this.#waiting]) look();
  }
}
