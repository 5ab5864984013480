import type { BackendExchange } from './backend-exchange.ts';
import type { LocalReply } from './local-reply.ts';
import type { TransactionHost } from './transaction-host.ts';

/** Takes what a client still sends when no backend's answer is waited for any more. */
export interface ClientSink {
  /** The piece is only read during the call. */
  addBody(piece: Buffer): void;
  endBody(): void;
  /** All that has come for now was added. */
  settle(): void;
  clientDrained(): void;
}

/** What a client may still send after its answer before the connection is closed instead. */
const DRAIN_BYTES = 8 * 1024 * 1024;

/** Gives the client its own message back while it comes in, in constant memory. */
export class Echo implements ClientSink {
  readonly #host: TransactionHost;
  readonly #reply: LocalReply;
  readonly #onDone: () => void;

  constructor(host: TransactionHost, reply: LocalReply, onDone: () => void) {
    this.#host = host;
    this.#reply = reply;
    this.#onDone = onDone;
  }

  addBody(piece: Buffer): void {
    this.#reply.addEcho(piece);
  }

  endBody(): void {
    this.#reply.endEcho();
    this.#onDone();
  }

  settle(): void {
    if (!this.#host.flush()) this.#host.pauseReading();
  }

  clientDrained(): void {
    this.#host.resumeReading();
  }
}

/** Reads a body that does not matter any more, unless a backend that has answered already still wants it. */
export class Drain implements ClientSink {
  readonly #host: TransactionHost;
  readonly #exchange: BackendExchange | undefined;
  readonly #onEnd: (isTooMuch: boolean) => void;
  readonly #maxBytes: number;
  #bytes = 0;

  /** `isAnswered`: the client has its answer, and is not listened to for ever. */
  constructor(
    host: TransactionHost,
    exchange: BackendExchange | undefined,
    isAnswered: boolean,
    onEnd: (isTooMuch: boolean) => void,
  ) {
    this.#host = host;
    this.#exchange = exchange;
    this.#maxBytes = isAnswered ? DRAIN_BYTES : Number.POSITIVE_INFINITY;
    this.#onEnd = onEnd;
  }

  addBody(piece: Buffer): void {
    this.#bytes += piece.length;
    this.#exchange?.addBody(piece);
  }

  endBody(): void {
    this.#exchange?.endBody();
    this.#onEnd(false);
  }

  settle(): void {
    if (this.#exchange?.flush(false) === false) this.#host.pauseReading();
    if (this.#bytes > this.#maxBytes) this.#onEnd(true);
  }

  clientDrained(): void {}
}
