import { type MonitorRequest, monitorAnswer } from '../../icap/monitor.ts';
import { readThroughUserBuffer } from '../../net/user-buffer.ts';
import { WireWriter } from '../../net/wire-writer.ts';
import type { ConnectionEntry } from '../../observe/connection-entry.ts';
import { type CloseReason, icapMethodOf } from '../../observe/labels.ts';
import { ByteTally } from '../byte-tally.ts';
import type { Client } from '../client.ts';
import type { ServiceContext } from '../context.ts';
import type { CutReason, Session } from '../session.ts';
import type { IcapContext } from './icap-context.ts';
import { statusAnswer } from './local-answer.ts';
import { isAnyUp } from './options-reply.ts';
import { type Refusal, RequestPump } from './request-pump.ts';
import { Stall } from './stall.ts';
import type { TransactionHost } from './transaction-host.ts';

/** One buffer for the reads of all clients of this thread: what is in it is dealt with before the next read. */
const SHARED_BUFFER: Buffer = Buffer.allocUnsafeSlow(64 * 1024);
/** What a client may send ahead of its answer before it has to wait. */
const AHEAD_BYTES = 16 * 1024;
/** How long a client that was told that the connection closes may take to notice. */
const LINGER_MS = 2_000;

export interface IcapSessionOptions {
  /** The one in force at the moment: a transaction keeps the one it began with. */
  readonly context: () => IcapContext;
  readonly client: Client;
  /** Called once, when everything it held is given back. */
  readonly onGone: (session: Session) => void;
}

/**
 * One connection of a client of an ICAP service, from its entry to its end. It owns the socket; what is said over it is
 * the business of its transactions.
 */
export class IcapSession implements Session, TransactionHost {
  readonly client: Client;
  /** Another one once the handshake is done: TLS writes over a socket of its own. */
  writer: WireWriter;
  readonly #context: () => IcapContext;
  readonly #onGone: (session: Session) => void;
  readonly #pump: RequestPump;
  #hasStarted = false;
  /** Why the connection ends after the present transaction. */
  #ending: CloseReason | undefined;
  #hasClientEnded = false;
  #isOver = false;
  #closing: CloseReason | undefined;
  #isHeld = false;
  /** How long the client has not read on, while that is what is waited for. */
  #stall: Stall = new Stall(0);
  readonly #tally: ByteTally = new ByteTally();

  constructor({ context, client, onGone }: IcapSessionOptions) {
    this.client = client;
    this.#context = context;
    this.#onGone = onGone;
    this.writer = new WireWriter(client.socket, false);
    this.#pump = new RequestPump(context, this, {
      onRefuse: (refusal) => this.#refuse(refusal, 'protocol'),
      onMonitor: (request) => this.#answerMonitor(request),
    });
  }

  start(): void {
    this.client.open({ onReady: () => this.#begin(), onRefused: () => this.#leave(), onUnverified: () => undefined });
  }

  sweep(nowMs: number): void {
    this.#tellBytes();
    if (!this.#hasStarted) return;
    const { idleMs, requestHeaderMs, bodyIdleMs } = this.#context().service.config.timeouts;
    const waitedMs = nowMs - this.#pump.sinceMs;
    if (this.#closing !== undefined || this.#isHeld) {
      this.#sweepUnread(nowMs, bodyIdleMs);
    } else if (this.#pump.transaction !== undefined) {
      this.#pump.transaction.sweep(nowMs);
    } else if (this.#pump.isIdle) {
      if (waitedMs >= idleMs) this.#close('idle-timeout');
    } else if (waitedMs >= requestHeaderMs) {
      const detail = `the request head was not whole within ${requestHeaderMs} ms`;
      this.#refuse({ status: 408, code: 'ICAPGW_CLIENT_TIMEOUT', detail }, 'request-timeout');
    }
  }

  /** The client has bytes to read, or its connection to close. */
  #sweepUnread(nowMs: number, bodyIdleMs: number): void {
    const unreadBytes = this.client.socket.writableLength;
    const stalledMs = this.#stall.lastsMs(nowMs, unreadBytes);
    if (stalledMs >= (unreadBytes === 0 ? LINGER_MS : bodyIdleMs)) this.abort(this.#closing ?? 'request-timeout');
  }

  drain(): void {
    this.#ending ??= 'drain';
    if (this.#hasStarted && this.#pump.isIdle) this.#close(this.#ending);
  }

  reconsider(service: ServiceContext): void {
    this.client.trustChanged(service);
    if (!this.#hasStarted || !this.client.isWithdrawn(service)) return;
    // A transaction that has begun is finished: it was let in when it was.
    this.#ending ??= 'trust-withdrawn';
    if (this.#pump.isIdle) this.#close(this.#ending);
  }

  cut(reason: CutReason): void {
    // Who is blocked gets the answer to the request under way, and no other.
    if (reason === 'blocked' && this.#pump.transaction !== undefined) this.#ending ??= reason;
    else this.abort(reason);
  }

  describe(): ConnectionEntry {
    const { transaction, receivedBytes, activity } = this.#pump;
    return {
      ...this.client.describe(),
      backend: transaction?.backend ?? null,
      activity: this.#hasStarted ? activity : 'handshake',
      bytesIn: receivedBytes,
      bytesOut: this.writer.bytesWritten,
    };
  }

  get isClosing(): boolean {
    // One that has sent all its requests and ended its side still gets all its answers.
    const hasSentAll = this.#hasClientEnded && this.#pump.unreadBytes === 0;
    return this.#ending !== undefined || hasSentAll || this.#pump.head?.close === true;
  }

  get requestBytes(): number {
    return this.#pump.requestBytes;
  }

  flush(): boolean {
    return this.#isOver || this.writer.flush();
  }

  pauseReading(): void {
    this.client.socket.pause();
  }

  resumeReading(): void {
    if (this.#pump.unreadBytes < AHEAD_BYTES) this.client.socket.resume();
  }

  continueBody(): void {
    this.#pump.continueBody();
    // Nobody is left who could send the rest.
    if (this.#hasClientEnded && this.#pump.transaction?.isWhole === false) this.abort('client-reset');
    else this.resumeReading();
  }

  done(close: boolean): void {
    if (this.#isOver) return;
    if (close || this.isClosing) {
      this.#pump.transaction = undefined;
      this.#close(this.#ending ?? 'client', close || this.#pump.unreadBytes > 0);
      return;
    }
    // A client that does not read its answers gets no more of them.
    this.#isHeld = this.client.socket.writableNeedDrain;
    if (!this.#isHeld) this.#next();
    else this.#stall = new Stall(performance.now());
  }

  abort(reason: CloseReason): void {
    if (this.#isOver) return;
    this.#cancel(reason);
    // What the client was given so far is its to read: without its last chunk it is seen to be cut.
    if (reason === 'backend-abort' && this.#closing === undefined) this.#close(reason);
    else this.#cutNow(reason);
  }

  #cutNow(reason: CloseReason): void {
    // A cut may be told by `close` before it returns.
    this.#isOver = true;
    this.client.cut();
    this.#over(reason);
  }

  #next(): void {
    this.#isHeld = false;
    this.#pump.next();
    this.resumeReading();
  }

  #drained(): void {
    if (this.#isHeld && this.#closing === undefined) this.#next();
    else this.#pump.transaction?.clientDrained();
  }

  #begin(): void {
    const { socket, copiesWrites } = this.client;
    this.#hasStarted = true;
    this.#pump.sinceMs = performance.now();
    this.writer = new WireWriter(socket, copiesWrites);
    socket.on('error', () => this.abort('client-reset'));
    socket.on('close', () => this.#gone());
    socket.on('end', () => this.#clientEnded());
    socket.on('drain', () => this.#drained());
    readThroughUserBuffer(socket, { nextBuffer: () => SHARED_BUFFER, onData: (chunk) => this.#receive(chunk) });
    socket.resume();
    if (socket.destroyed) this.#gone();
    if (this.#ending !== undefined) this.#close(this.#ending);
  }

  #leave(): void {
    this.#isOver = true;
    this.client.release();
    this.#onGone(this);
  }

  /** Returns false while the client is to send no more. */
  #receive(chunk: Buffer): boolean {
    this.#pump.receive(chunk);
    if (this.#isOver || this.#closing !== undefined) return true;
    if (this.#pump.unreadBytes >= AHEAD_BYTES) this.pauseReading();
    return !this.client.socket.isPaused();
  }

  /** Answers what cannot be understood, or does not come, and ends the connection. */
  #refuse({ status, code, detail }: Refusal, reason: 'protocol' | 'request-timeout'): void {
    const { counters, events, index } = this.#context().service;
    const { transaction, head } = this.#pump;
    const hasAnswered = transaction?.hasAnswered === true;
    if (!hasAnswered) transaction?.refused(status, reason);
    this.#cancel(reason);
    events.log('icap-request-refused', { ...(transaction?.record ?? this.client).names(), status, code, detail });
    if (hasAnswered) {
      this.abort(reason);
      return;
    }
    counters.icapAnswered(index, icapMethodOf(head?.method ?? ''), undefined, status);
    const own = transaction?.record.correlation.answerField;
    this.writer.add(statusAnswer(status, { istag: undefined, close: true, own }));
    this.writer.flush();
    this.#close(reason, true);
  }

  #answerMonitor(request: MonitorRequest): void {
    // A monitor takes any byte for "up", so with nobody to ask it gets none.
    if (isAnyUp(this.#context())) this.writer.add(monitorAnswer(request));
    this.writer.flush();
    this.#close('client');
  }

  #cancel(reason: CloseReason): void {
    const { transaction } = this.#pump;
    this.#pump.transaction = undefined;
    this.#pump.stop();
    transaction?.cancel(reason);
  }

  #clientEnded(): void {
    this.#hasClientEnded = true;
    if (this.#isOver || this.#closing !== undefined) return;
    if (this.#pump.transaction === undefined) this.#close('client');
    // It waits for its answer and has nothing more to say; anything else can never become whole.
    else if (!this.#pump.transaction.isWhole) this.abort('client-reset');
  }

  /**
   * Ends the connection in good order. While the client may still send we read on for a moment: a reset would take the
   * answer away from it.
   */
  #close(reason: CloseReason, isClientSending = false): void {
    if (this.#isOver || this.#closing !== undefined) return;
    this.#closing = reason;
    this.#stall = new Stall(performance.now());
    this.#pump.stop();
    const { socket } = this.client;
    if (isClientSending && !this.#hasClientEnded) socket.end();
    else socket.destroySoon();
    socket.resume();
  }

  #gone(): void {
    if (this.#isOver) return;
    this.#cancel('client-reset');
    this.#over(this.#closing ?? 'client-reset');
  }

  #over(reason: CloseReason): void {
    this.#isOver = true;
    const { counters, events, index } = this.#context().service;
    counters.connectionClosed(index, reason);
    this.#tellBytes();
    if (events.isEnabled('connection-closed')) {
      const bytes = { bytesIn: this.#pump.receivedBytes, bytesOut: this.writer.bytesWritten };
      const { ms } = this.client;
      events.log('connection-closed', { ...this.client.names(), backend: undefined, reason, ...bytes, ms });
    }
    this.#leave();
  }

  #tellBytes(): void {
    this.#tally.tell(this.#context().service, this.#pump.receivedBytes, this.writer.bytesWritten);
  }
}
