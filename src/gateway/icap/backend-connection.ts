import type { Socket } from 'node:net';
import { IcapProtocolError, messageOf } from '../../errors.ts';
import type { AddressedMember } from '../../health/membership.ts';
import type { IcapLimits } from '../../icap/limits.ts';
import type { MessageEvent, MessageReader } from '../../icap/message-reader.ts';
import type { ResponseHead } from '../../icap/response-head.ts';
import { createResponseReader } from '../../icap/response-reader.ts';
import type { BackendIdentity } from '../../net/backend-identity.ts';
import { WireWriter } from '../../net/wire-writer.ts';

/** How a connection to a backend broke. `closed`: in good order, but too early. */
export type ConnectionLoss = 'closed' | 'reset' | 'malformed';

export interface ResponseHandlers {
  /** Data is a view that is only valid during the call. */
  readonly onEvent: (event: MessageEvent<ResponseHead>) => void;
  /** All that has arrived was told: a good moment to pass it on. */
  readonly onPause: () => void;
  /** No more events. The connection is of no use any more. */
  readonly onLost: (loss: ConnectionLoss, detail: string) => void;
  /** The backend takes bytes again. */
  readonly onDrain: () => void;
}

/**
 * One connection to a backend, for one transaction at a time. Who begins a transaction on it owns it until `endRequest`
 * or `destroy`; in between it is idle, and anything it then receives ends it.
 */
export class BackendConnection {
  readonly member: AddressedMember;
  readonly writer: WireWriter;
  readonly identity: BackendIdentity | undefined;
  /** Transactions begun on it. */
  requestCount = 0;
  /** When it became idle, on the clock of `performance.now()`. */
  idleSinceMs = 0;
  readonly #socket: Socket;
  readonly #reader: MessageReader<ResponseHead>;
  readonly #onIdleLoss: (connection: BackendConnection) => void;
  #method = '';
  #handlers: ResponseHandlers | undefined;
  #hasAnswered = false;
  #isTainted = false;
  #isOver = false;
  #isGone = false;
  #hasReceived = false;

  constructor(options: {
    readonly socket: Socket;
    readonly member: AddressedMember;
    /** Who the backend had to be; undefined in clear. */
    readonly identity: BackendIdentity | undefined;
    readonly limits: IcapLimits;
    /** It broke, or said something, while nobody used it. */
    readonly onIdleLoss: (connection: BackendConnection) => void;
  }) {
    const { socket, member, identity, limits, onIdleLoss } = options;
    const isTls = identity !== undefined;
    this.member = member;
    this.identity = identity;
    this.writer = new WireWriter(socket, isTls);
    this.#socket = socket;
    this.#onIdleLoss = onIdleLoss;
    this.#reader = createResponseReader(limits, () => this.#method);
    socket.on('error', this.#onError);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    socket.on('drain', () => this.#handlers?.onDrain());
    if (isTls) socket.on('data', (chunk: Buffer) => this.receive(chunk));
    else socket.resume();
  }

  /** Whether it has served a transaction before the present one. */
  get isReused(): boolean {
    return this.requestCount > 1;
  }

  begin(method: string, handlers: ResponseHandlers): void {
    this.requestCount += 1;
    this.#method = method;
    this.#handlers = handlers;
    this.#hasAnswered = false;
    this.#hasReceived = false;
  }

  /** Takes bytes that were read into a shared buffer. Returns false while reading is to pause. */
  receive(chunk: Buffer): boolean {
    const handlers = this.#handlers;
    if (handlers === undefined) {
      // Nobody asked anything: a 408 for the idle connection, as a rule.
      this.#lost('closed', 'it spoke without being asked');
      return false;
    }
    this.#hasReceived = true;
    try {
      this.#reader.push(chunk);
      for (let event = this.#reader.read(); event !== undefined && !this.#isOver; event = this.#reader.read()) {
        if (event.type === 'end') this.#hasAnswered = true;
        handlers.onEvent(event);
      }
    } catch (error) {
      if (!(error instanceof IcapProtocolError)) throw error;
      this.#lost('malformed', messageOf(error));
      return false;
    }
    if (!this.#isOver) handlers.onPause();
    return !this.#socket.isPaused();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Whether nothing can be sent any more, although the answer stands. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whether a byte has come since `begin`. */
  get hasReceived(): boolean {
    return this.#hasReceived;
  }

  /** Whether it waits for the backend to take bytes. */
  get isBlocked(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** Reads the response after a 100. */
  expectAnother(): void {
    this.#reader.next();
    this.#hasAnswered = false;
  }

  /** It must not serve another transaction. */
  taint(): void {
    this.#isTainted = true;
  }

  /**
   * The transaction is over on this side. Returns whether the connection may serve another one: it was read to the end of
   * an answer, holds no surplus byte, and nobody tainted it.
   */
  endRequest(): boolean {
    this.#handlers = undefined;
    const isClean = this.#hasAnswered && this.#reader.unreadBytes === 0 && this.#socket.writableLength === 0;
    if (this.#isOver || this.#isTainted || !isClean) return false;
    this.#reader.next();
    this.#socket.resume();
    return true;
  }

  /** Ends it without a word to its handlers. */
  destroy(): void {
    this.#isOver = true;
    this.#handlers = undefined;
    this.#socket.destroy();
  }

  /** Ends it in good order, so that the backend sees no error. Only for an idle one. */
  close(): void {
    this.#isOver = true;
    this.#socket.end(() => this.#socket.destroy());
  }

  readonly #onError = (error: Error): void => this.#lost('reset', error.message);

  readonly #onEnd = (): void => this.#lost('closed', 'it closed the connection');

  readonly #onClose = (): void => this.#lost('reset', 'the connection is gone');

  #lost(loss: ConnectionLoss, detail: string): void {
    if (this.#isOver) return;
    const handlers = this.#handlers;
    // Its answer is complete: that it leaves after that is no news to the transaction.
    const isIdle = handlers === undefined;
    if (!isIdle && this.#hasAnswered && loss !== 'malformed') {
      this.#isTainted = true;
      this.#isGone = loss === 'reset' || this.#socket.destroyed;
      // Who waits for it to take more of the request waits for nothing.
      if (this.#isGone) handlers?.onDrain();
      return;
    }
    this.destroy();
    if (isIdle) this.#onIdleLoss(this);
    else handlers.onLost(loss, detail);
  }
}
