import { type ErrorCode, IcapProtocolError } from '../../errors.ts';
import type { MessageEvent, MessageReader } from '../../icap/message-reader.ts';
import { isMonitor, MonitorReader, type MonitorRequest } from '../../icap/monitor.ts';
import type { RequestHead } from '../../icap/request-head.ts';
import { createRequestReader } from '../../icap/request-reader.ts';
import { statusOfProtocolError } from '../../icap/status.ts';
import { TLS_RECORD_BYTES } from '../../net/wire-writer.ts';
import type { IcapContext } from './icap-context.ts';
import { OptionsTransaction } from './options-transaction.ts';
import { Transaction } from './transaction.ts';
import type { TransactionHost } from './transaction-host.ts';

/** A request that is answered with a status, and ends the connection. */
export interface Refusal {
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
}

export interface PumpHandlers {
  readonly onRefuse: (refusal: Refusal) => void;
  /** A load balancer asks over HTTP whether anybody is there. */
  readonly onMonitor: (request: MonitorRequest) => void;
}

/** Turns the bytes of one client into transactions, one after the other: the next begins when the one before is over. */
export class RequestPump {
  /** The request under way; undefined between requests. */
  transaction: Transaction | OptionsTransaction | undefined;
  /** The head of that request. */
  head: RequestHead | undefined;
  /** When the last request ended, or the present one began, on the clock of `performance.now()`. */
  sinceMs: number = performance.now();
  readonly #context: () => IcapContext;
  readonly #host: TransactionHost;
  readonly #handlers: PumpHandlers;
  readonly #reader: MessageReader<RequestHead>;
  #monitor: MonitorReader | undefined;
  #receivedBytes = 0;
  /** Of all received bytes, those of earlier requests. */
  #earlierBytes = 0;
  /** What came last was as much as can come at a time. */
  #isBurst = false;
  #isPumping = false;
  #isWanted = false;
  #isStopped = false;

  constructor(context: () => IcapContext, host: TransactionHost, handlers: PumpHandlers) {
    this.#context = context;
    this.#host = host;
    this.#handlers = handlers;
    this.#reader = createRequestReader(context().limits);
  }

  /** Received, but not looked at while the request before is under way. */
  get unreadBytes(): number {
    return this.#reader.unreadBytes;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** What has come of the present request, head and framing included. */
  get requestBytes(): number {
    return this.#receivedBytes - this.#reader.unreadBytes - this.#earlierBytes;
  }

  /** What is under way, for people. */
  get activity(): string {
    const { head, transaction } = this;
    return transaction === undefined || head === undefined ? 'idle' : `${head.method} ${head.uri.path}`;
  }

  /** Whether no byte of a next request has come. */
  get isIdle(): boolean {
    return this.transaction === undefined && this.#reader.isBetweenMessages && this.#monitor === undefined;
  }

  /** Takes bytes that are only valid during the call. */
  receive(chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    if (this.#isStopped || this.#isMonitors(chunk)) return;
    if (this.isIdle) this.sinceMs = performance.now();
    this.#isBurst = chunk.length === TLS_RECORD_BYTES;
    this.#reader.push(chunk);
    this.#pump();
    this.#reader.keepUnread();
  }

  /** The client was told to send what follows its preview. */
  continueBody(): void {
    this.#reader.continueBody();
    this.#pump();
  }

  /** The transaction is over: looks at the next request, if there is one already. */
  next(): void {
    this.transaction = undefined;
    this.head = undefined;
    this.#earlierBytes = this.#receivedBytes - this.#reader.unreadBytes;
    this.sinceMs = performance.now();
    this.#reader.next();
    this.#pump();
  }

  /** Looks at nothing any more. */
  stop(): void {
    this.#isStopped = true;
  }

  #pump(): void {
    this.#isWanted = true;
    // A transaction that ends in the middle of a read asks for the next one.
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#isWanted) {
        this.#isWanted = false;
        for (let event = this.#read(); event !== undefined; event = this.#read()) this.#handle(event);
        this.transaction?.settle(this.#isBurst);
      }
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#isPumping = false;
    }
  }

  #read(): MessageEvent<RequestHead> | undefined {
    return this.#isStopped ? undefined : this.#reader.read();
  }

  #handle(event: MessageEvent<RequestHead>): void {
    switch (event.type) {
      case 'head':
        this.#begin(event.head);
        break;
      case 'sections':
        this.transaction?.begin(event.sections);
        break;
      case 'data':
        this.transaction?.addBody(event.data);
        break;
      case 'end':
        this.transaction?.endBody(event.ending);
        break;
    }
  }

  #begin(head: RequestHead): void {
    this.head = head;
    switch (head.method) {
      case 'REQMOD':
      case 'RESPMOD':
        this.transaction = new Transaction(this.#context(), this.#host, head, head.method);
        break;
      case 'OPTIONS':
        this.transaction = new OptionsTransaction(this.#context(), this.#host, head);
        break;
      default:
        // Where the body of an unknown method would end is a guess, so nothing is read after it.
        this.#handlers.onRefuse({
          status: 501,
          code: 'ICAPGW_ICAP_BAD_START_LINE',
          detail: `the method ${head.method} is not known`,
        });
        return;
    }
    if (head.encapsulated.headers.length === 0) this.transaction.begin([]);
  }

  #isMonitors(chunk: Buffer): boolean {
    const isFirst = this.#receivedBytes === chunk.length;
    if (this.#monitor === undefined) {
      if (!isFirst || !this.#context().service.config.icap.monitorReplies || isMonitor(chunk) === false) return false;
      this.#monitor = new MonitorReader();
    }
    try {
      const request = this.#monitor.push(chunk);
      if (request !== undefined) this.#handlers.onMonitor(request);
    } catch (error) {
      this.#refuse(error);
    }
    return true;
  }

  #refuse(error: unknown): void {
    if (!(error instanceof IcapProtocolError)) throw error;
    this.#handlers.onRefuse({ status: statusOfProtocolError(error), code: error.code, detail: error.message });
  }
}
