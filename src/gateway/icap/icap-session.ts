import { IcapProtocolError } from '../../errors.ts';
import type { MessageEvent, MessageReader } from '../../icap/message-reader.ts';
import { isMonitor, MonitorReader, monitorAnswer } from '../../icap/monitor.ts';
import type { RequestHead } from '../../icap/request-head.ts';
import { createRequestReader } from '../../icap/request-reader.ts';
import { statusOfProtocolError } from '../../icap/status.ts';
import { readIntoUserBuffer } from '../../net/user-buffer.ts';
import { WireWriter } from '../../net/wire-writer.ts';
import { type CloseReason, icapMethodOf } from '../../observe/labels.ts';
import type { HandshakeProblem } from '../../tls/handshake-failure.ts';
import type { Client } from '../client.ts';
import type { Session } from '../session.ts';
import type { IcapContext } from './icap-context.ts';
import { statusAnswer } from './local-answer.ts';
import { isAnyUp } from './options-reply.ts';
import { OptionsTransaction } from './options-transaction.ts';
import { Transaction } from './transaction.ts';
import type { TransactionHost } from './transaction-host.ts';

/** One buffer for the reads of all clients of this thread; TLS decrypts no more than 16 KiB at a time. */
const SHARED_BUFFER: Buffer = Buffer.allocUnsafeSlow(64 * 1024);
/** What a client may send ahead of its answer before it has to wait. */
const AHEAD_BYTES = 16 * 1024;
/** How long a client that was told that the connection closes may take to notice. */
const LINGER_MS = 2_000;

type Exchange = Transaction | OptionsTransaction;

/**
 * One connection of a client of an ICAP service: its requests one after the other, each answered before the next is
 * looked at. Bytes that are not ICAP end it with a status that says so.
 */
export class IcapSession implements Session, TransactionHost {
  readonly client: Client;
  readonly #context: IcapContext;
  readonly #onGone: (session: Session) => void;
  readonly #reader: MessageReader<RequestHead>;
  #writer: WireWriter;
  #head: RequestHead | undefined;
  #exchange: Exchange | undefined;
  #monitor: MonitorReader | undefined;
  #hasStarted = false;
  #isPumping = false;
  #isWanted = false;
  #isDraining = false;
  #hasClientEnded = false;
  #isOver = false;
  #closing: CloseReason | undefined;
  #lingerUntilMs = 0;
  #bytesIn = 0;
  #bytesInTold = 0;
  #bytesOutTold = 0;
  /** When the connection was last between requests, or its request began. */
  #sinceMs: number = performance.now();

  constructor(options: {
    readonly context: IcapContext;
    readonly client: Client;
    readonly onGone: (session: Session) => void;
  }) {
    this.#context = options.context;
    this.client = options.client;
    this.#onGone = options.onGone;
    this.#reader = createRequestReader(options.context.limits);
    this.#writer = new WireWriter(options.client.socket, false);
  }

  start(): void {
    this.client.open({ onReady: () => this.#begin(), onRefused: (reason) => this.#refused(reason) });
  }

  sweep(nowMs: number): void {
    this.#tellBytes();
    if (!this.#hasStarted) return;
    const { idleMs, requestHeaderMs } = this.#context.service.config.timeouts;
    if (this.#closing !== undefined) {
      if (nowMs >= this.#lingerUntilMs) this.abort(this.#closing);
    } else if (this.#exchange !== undefined) {
      this.#exchange.sweep(nowMs);
    } else if (this.#reader.isBetweenMessages && this.#monitor === undefined) {
      if (nowMs - this.#sinceMs >= idleMs) this.#close('idle-timeout');
    } else if (nowMs - this.#sinceMs >= requestHeaderMs) {
      this.#refuse(
        408,
        'request-timeout',
        'ICAPGW_ICAP_TIMEOUT',
        `the request head was not whole within ${requestHeaderMs} ms`,
      );
    }
  }

  drain(): void {
    this.#isDraining = true;
    if (this.#hasStarted && this.#exchange === undefined && this.#reader.isBetweenMessages) this.#close('drain');
  }

  cut(): void {
    this.abort('drain');
  }

  get writer(): WireWriter {
    return this.#writer;
  }

  get isClosing(): boolean {
    return this.#isDraining || this.#hasClientEnded || this.#head?.close === true;
  }

  flush(): boolean {
    return this.#isOver || this.#writer.flush();
  }

  pauseReading(): void {
    this.client.socket.pause();
  }

  resumeReading(): void {
    if (this.#reader.unreadBytes < AHEAD_BYTES) this.client.socket.resume();
  }

  continueBody(): void {
    this.#reader.continueBody();
    this.#pump();
  }

  done(close: boolean): void {
    this.#exchange = undefined;
    if (this.#isOver) return;
    if (close || this.isClosing) {
      this.#close(this.#isDraining ? 'drain' : 'client');
      return;
    }
    this.#head = undefined;
    this.#sinceMs = performance.now();
    this.#reader.next();
    this.resumeReading();
    this.#pump();
  }

  abort(reason: CloseReason): void {
    if (this.#isOver) return;
    this.#exchange?.cancel(reason);
    this.#exchange = undefined;
    // What the client was given so far is its to read: without its last chunk it is seen to be cut.
    if (reason === 'backend-abort') this.client.socket.destroySoon();
    else this.client.cut();
    this.#over(reason);
  }

  #begin(): void {
    const { socket } = this.client;
    this.#hasStarted = true;
    this.#sinceMs = performance.now();
    this.#writer = new WireWriter(socket, this.client.copiesWrites);
    socket.on('error', () => this.abort('client-reset'));
    socket.on('close', () => this.#gone());
    socket.on('end', () => this.#clientEnded());
    socket.on('drain', () => this.#exchange?.clientDrained());
    const isShared = readIntoUserBuffer(socket, {
      nextBuffer: () => SHARED_BUFFER,
      onData: (chunk) => this.#receive(chunk),
    });
    if (!isShared) socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.resume();
    if (this.#isDraining) this.#close('drain');
  }

  #refused(reason: HandshakeProblem['reason']): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { events, config } = this.#context.service;
    this.client.release();
    if (events.accessEnabled) {
      events.access({
        kind: 'tunnel',
        timeMs: Date.now(),
        service: config.name,
        client: this.client.peer.text,
        tls: this.client.version,
        subject: this.client.identity().subject,
        backend: undefined,
        bytesIn: 0,
        bytesOut: 0,
        ms: this.client.ms,
        reason: `tls-${reason}`,
      });
    }
    this.#onGone(this);
  }

  /** Returns false while the client is to send no more. */
  #receive(chunk: Buffer): boolean {
    this.#bytesIn += chunk.length;
    // Whoever is told that the connection closes is not listened to any more.
    if (this.#closing !== undefined || this.#isOver) return true;
    if (this.#isMonitors(chunk)) {
      this.#monitored(chunk);
      return true;
    }
    if (this.#reader.isBetweenMessages && this.#exchange === undefined) this.#sinceMs = performance.now();
    this.#reader.push(chunk);
    this.#pump();
    this.#reader.keepUnread();
    if (this.#reader.unreadBytes >= AHEAD_BYTES) this.pauseReading();
    return !this.client.socket.isPaused();
  }

  /** Reads what has arrived. Also called when an answer made way for the next request, in the middle of a read or not. */
  #pump(): void {
    this.#isWanted = true;
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#isWanted) {
        this.#isWanted = false;
        for (let event = this.#read(); event !== undefined; event = this.#read()) this.#handle(event);
        this.#exchange?.settle();
      }
    } catch (error) {
      if (!(error instanceof IcapProtocolError)) throw error;
      this.#refuse(statusOfProtocolError(error), 'protocol', error.code, error.message);
    } finally {
      this.#isPumping = false;
    }
  }

  #read(): MessageEvent<RequestHead> | undefined {
    return this.#isOver || this.#closing !== undefined ? undefined : this.#reader.read();
  }

  #handle(event: MessageEvent<RequestHead>): void {
    switch (event.type) {
      case 'head':
        this.#beginRequest(event.head);
        break;
      case 'sections':
        this.#exchange?.begin(event.sections);
        break;
      case 'data':
        this.#exchange?.addBody(event.data);
        break;
      case 'end':
        this.#exchange?.endBody(event.ending);
        break;
    }
  }

  #beginRequest(head: RequestHead): void {
    this.#head = head;
    switch (head.method) {
      case 'REQMOD':
      case 'RESPMOD':
        this.#exchange = new Transaction(this.#context, this, head, head.method);
        break;
      case 'OPTIONS':
        this.#exchange = new OptionsTransaction(this.#context, this, head);
        break;
      default:
        // Where the body of an unknown method would end is a guess, so nothing is read after it.
        this.#refuse(501, 'protocol', 'ICAPGW_ICAP_BAD_START_LINE', `the method ${head.method} is not known`);
        return;
    }
    if (head.encapsulated.headers.length === 0) this.#exchange.begin([]);
  }

  /** Answers what cannot be understood, or does not come, and ends the connection. */
  #refuse(status: number, reason: 'protocol' | 'request-timeout', code: string, detail: string): void {
    const { counters, events, index } = this.#context.service;
    const hasAnswered = this.#exchange?.hasAnswered === true;
    this.#exchange?.cancel(reason);
    this.#exchange = undefined;
    events.log('icap-request-refused', { ...this.client.names(), status, code, detail });
    if (hasAnswered) {
      this.abort(reason);
      return;
    }
    counters.icapAnswered(index, icapMethodOf(this.#head?.method ?? ''), undefined, status);
    this.#writer.add(statusAnswer(status, { istag: undefined, close: true }));
    this.#writer.flush();
    this.#close(reason);
  }

  #isMonitors(chunk: Buffer): boolean {
    if (this.#monitor !== undefined) return true;
    const isFirst = this.#bytesIn === chunk.length;
    return isFirst && this.#context.service.config.icap.monitorReplies && isMonitor(chunk) !== false;
  }

  /** A load balancer asks over HTTP whether anybody is there. */
  #monitored(chunk: Buffer): void {
    this.#monitor ??= new MonitorReader();
    try {
      const request = this.#monitor.push(chunk);
      if (request === undefined) return;
      // A monitor takes any byte for "up", so with nobody to ask it gets none.
      if (isAnyUp(this.#context)) this.#writer.add(monitorAnswer(request));
      this.#writer.flush();
      this.#close('client');
    } catch (error) {
      if (!(error instanceof IcapProtocolError)) throw error;
      this.#refuse(400, 'protocol', error.code, error.message);
    }
  }

  #clientEnded(): void {
    this.#hasClientEnded = true;
    if (this.#isOver || this.#closing !== undefined) return;
    if (this.#exchange === undefined) this.#close('client');
    // It waits for its answer and has nothing more to say; anything else can never become whole.
    else if (!this.#exchange.isWhole) this.abort('client-reset');
  }

  /** Ends our side in good order, and reads on for a while: a reset would take the answer away from who still sends. */
  #close(reason: CloseReason): void {
    if (this.#isOver || this.#closing !== undefined) return;
    this.#closing = reason;
    this.#lingerUntilMs = performance.now() + LINGER_MS;
    this.client.socket.end();
    this.client.socket.resume();
  }

  #gone(): void {
    if (this.#isOver) return;
    this.#exchange?.cancel('client-reset');
    this.#exchange = undefined;
    this.#over(this.#closing ?? 'client-reset');
  }

  #over(reason: CloseReason): void {
    this.#isOver = true;
    const { counters, events, index } = this.#context.service;
    counters.connectionClosed(index, reason);
    this.#tellBytes();
    if (events.isEnabled('connection-closed')) {
      const bytes = { bytesIn: this.#bytesIn, bytesOut: this.#writer.bytesWritten };
      events.log('connection-closed', {
        ...this.client.names(),
        backend: undefined,
        reason,
        ...bytes,
        ms: this.client.ms,
      });
    }
    this.client.release();
    this.#onGone(this);
  }

  #tellBytes(): void {
    const { counters, index } = this.#context.service;
    const { bytesWritten } = this.#writer;
    counters.bytes(index, this.#bytesIn - this.#bytesInTold, bytesWritten - this.#bytesOutTold);
    this.#bytesInTold = this.#bytesIn;
    this.#bytesOutTold = bytesWritten;
  }
}
