import { LAST_CHUNK } from '../../icap/chunk-encoder.ts';
import type { ClientRequest } from './client-request.ts';
import type { IcapContext } from './icap-context.ts';
import { blockAnswer, echoStart, type LocalFields, statusAnswer } from './local-answer.ts';
import type { TransactionHost } from './transaction-host.ts';
import type { TransactionRecord } from './transaction-record.ts';

/** Whose decision an answer is, though the gateway words it. */
export type AnswerSource = 'backend' | 'gateway';

/** Writes the answers that the gateway gives itself. Whoever calls ends the transaction. */
export class LocalReply {
  readonly #context: IcapContext;
  readonly #host: TransactionHost;
  readonly #request: ClientRequest;
  readonly #record: TransactionRecord;

  constructor(context: IcapContext, host: TransactionHost, request: ClientRequest, record: TransactionRecord) {
    this.#context = context;
    this.#host = host;
    this.#request = request;
    this.#record = record;
  }

  /** A status alone. `source`: who decided that the content passes. */
  status(status: number, close: boolean, source: AnswerSource): void {
    this.#begin(status, source);
    this.#host.writer.add(statusAnswer(status, this.#fields(close)));
    this.#host.flush();
  }

  /** A page in place of the content; `detail` is for whoever reads it. */
  block(detail: string): void {
    const { service, blockPage } = this.#context;
    this.#begin(200, 'gateway');
    const page = blockPage({
      service: service.config.name,
      reason: detail,
      connection: String(this.#host.client.id),
      time: new Date().toISOString(),
    });
    for (const piece of blockAnswer(page, this.#fields(false))) this.#host.writer.add(piece);
    this.#host.flush();
  }

  /** Begins to give the client its own message back, with what is kept of its body. */
  startEcho(source: AnswerSource): void {
    const { method, sections, head, store } = this.#request;
    this.#begin(200, source);
    for (const piece of echoStart(method, sections, head.encapsulated.body, this.#fields(false))) {
      this.#host.writer.add(piece);
    }
    for (const piece of store.pieces()) this.addEcho(piece);
  }

  /** The piece is copied at the next flush. */
  addEcho(piece: Buffer): void {
    const { writer } = this.#host;
    writer.add(`${piece.length.toString(16)}\r\n`);
    writer.add(piece);
    writer.add('\r\n');
  }

  endEcho(): void {
    if (this.#request.head.encapsulated.body !== 'null-body') this.#host.writer.add(LAST_CHUNK);
    this.#host.flush();
  }

  #begin(status: number, source: AnswerSource): void {
    this.#record.answered(status, source === 'backend' ? this.#record.member : undefined, this.#istag);
  }

  #fields(close: boolean): LocalFields {
    const { answerField: own } = this.#record.correlation;
    return { istag: this.#istag, close: close || this.#host.isClosing, own };
  }

  get #istag(): string | undefined {
    return this.#context.options.istag(this.#request.route.path);
  }
}
