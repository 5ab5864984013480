import { once } from 'node:events';
import type { Socket } from 'node:net';
import { IcapProtocolError } from '../errors.ts';
import type { IcapLimits } from '../icap/limits.ts';
import type { MessageEvent, MessageReader } from '../icap/message-reader.ts';
import type { RequestHead } from '../icap/request-head.ts';
import { createRequestReader } from '../icap/request-reader.ts';
import { statusOfProtocolError } from '../icap/status.ts';
import { answerBytes, CONTINUE, closingError } from './answer-bytes.ts';
import type { HoldBudget } from './hold-budget.ts';
import { type Answer, Transaction } from './transaction.ts';

/** One answered request, for a log. */
export interface TransactionEntry {
  readonly method: string;
  readonly path: string;
  readonly answer: Answer['kind'];
  readonly threat: string | undefined;
  readonly bodyBytes: number;
}

/** How long a client may take. */
export interface ConnectionTimeouts {
  /** Between two requests. */
  readonly idleMs: number;
  /** From the first byte of a request to the end of its header blocks. */
  readonly headerMs: number;
  /** For the next bytes of a body, or for taking the next bytes of an answer. */
  readonly bodyIdleMs: number;
  /** For the client to close after it was told that the connection ends. */
  readonly lingerMs: number;
}

export interface ConnectionOptions {
  readonly limits: IcapLimits;
  readonly timeouts: ConnectionTimeouts;
  readonly maxHeldBytes: number;
  readonly maxConnections: number;
  readonly budget: HoldBudget;
  log(entry: TransactionEntry): void;
}

/** What the client is waited for. */
type Wait = Exclude<keyof ConnectionTimeouts, 'lingerMs'>;

/** Serves one client, one request after the other, until either side ends it. Owns the socket. */
export class Connection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #reader: MessageReader<RequestHead>;
  readonly #closed: AbortController = new AbortController();
  #head: RequestHead | undefined;
  #transaction: Transaction | undefined;
  #hasHeaders = false;
  #wait: Wait = 'idleMs';
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = createRequestReader(options.limits);
    socket.setNoDelay(true);
    // A client that goes away is normal life; 'close' follows and ends `serve`.
    socket.on('error', () => {});
    socket.once('close', () => this.#closed.abort());
  }

  /** Resolves when the connection is over, whatever ended it. */
  async serve(): Promise<void> {
    try {
      this.#startTimer('idleMs');
      for await (const bytes of this.#socket.iterator({ destroyOnReturn: false })) {
        this.#reader.push(bytes);
        if (!(await this.#readEvents())) break;
        this.#updateTimer();
      }
      await this.#close();
    } catch (error) {
      if (error instanceof IcapProtocolError) await this.#refuse(statusOfProtocolError(error));
      else if (!isConnectionError(error)) throw error;
    } finally {
      clearTimeout(this.#timer);
      this.#transaction?.dispose();
      this.#socket.destroy();
    }
  }

  /** False when the connection is to be closed. */
  async #readEvents(): Promise<boolean> {
    for (let event = this.#reader.read(); event !== undefined; event = this.#reader.read()) {
      if (!(await this.#handle(event))) return false;
    }
    return true;
  }

  async #handle(event: MessageEvent<RequestHead>): Promise<boolean> {
    switch (event.type) {
      case 'head':
        this.#head = event.head;
        this.#transaction = new Transaction(event.head, this.#options.maxHeldBytes, this.#options.budget);
        return true;
      case 'sections':
        this.#transaction?.addSections(event.sections);
        this.#hasHeaders = true;
        return true;
      case 'data':
        this.#transaction?.addData(event.data);
        this.#hasHeaders = true;
        return true;
      case 'end': {
        const answer = this.#transaction?.end(event.ending);
        if (answer !== undefined) return this.#answer(answer, event.bodyBytes);
        await this.#write([CONTINUE]);
        this.#reader.continueBody();
        return true;
      }
    }
  }

  /** False when the connection is to be closed after it. */
  async #answer(answer: Answer, bodyBytes: number): Promise<boolean> {
    const head = this.#head;
    // Where the body of an unknown method would end is a guess, so nothing is read after it.
    const close = head === undefined || head.close || (answer.kind === 'error' && answer.status === 501);
    await this.#write(answerBytes(answer, { close, maxConnections: this.#options.maxConnections }));
    this.#transaction?.dispose();
    this.#transaction = undefined;
    this.#hasHeaders = false;
    this.#reader.next();
    const threat = answer.kind === 'blocked' ? answer.finding.threat : undefined;
    if (head !== undefined) {
      this.#options.log({ method: head.method, path: head.uri.path, answer: answer.kind, threat, bodyBytes });
    }
    return !close;
  }

  async #write(pieces: Iterable<Buffer>): Promise<void> {
    this.#socket.cork();
    for (const piece of pieces) {
      if (this.#socket.write(piece)) continue;
      this.#socket.uncork();
      if (this.#socket.writableNeedDrain) {
        this.#startTimer('bodyIdleMs');
        await once(this.#socket, 'drain', { signal: this.#closed.signal });
      }
      this.#socket.cork();
    }
    this.#socket.uncork();
  }

  #updateTimer(): void {
    const next = this.#hasHeaders ? 'bodyIdleMs' : this.#reader.isBetweenMessages ? 'idleMs' : 'headerMs';
    // The header timer runs from the first byte on: a client that trickles bytes does not extend it.
    if (next !== 'headerMs' || this.#wait !== 'headerMs') this.#startTimer(next);
  }

  #startTimer(wait: Wait): void {
    this.#wait = wait;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#expire(), this.#options.timeouts[wait]);
  }

  #expire(): void {
    // An idle connection just ends; to a client that does not read there is nothing more to say.
    if (this.#wait === 'idleMs' || this.#socket.writableLength > 0) {
      this.#socket.destroy();
      return;
    }
    // RFC 3507 4.3.3: 408 is for a request that did not come in time.
    this.#socket.write(closingError(408));
    this.#socket.destroySoon();
  }

  async #refuse(status: number): Promise<void> {
    this.#socket.write(closingError(status));
    await this.#close();
  }

  /** Ends our side and reads on for a while: a reset would take the answer away from a client that is still sending. */
  async #close(): Promise<void> {
    if (this.#socket.destroyed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#socket.destroy(), this.#options.timeouts.lingerMs);
    this.#socket.end();
    this.#socket.resume();
    if (!this.#closed.signal.aborted) await once(this.#closed.signal, 'abort');
  }
}

/** Errors of sockets and aborted waits carry a code; mistakes in this program do not and must surface. */
function isConnectionError(error: unknown): boolean {
  return error instanceof Error && 'code' in error;
}
