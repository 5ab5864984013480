import type { RequestHead } from '../../icap/request-head.ts';
import type { CloseReason } from '../../observe/labels.ts';
import type { IcapContext } from './icap-context.ts';
import { answerOptions } from './options-reply.ts';
import type { TransactionHost } from './transaction-host.ts';
import { TransactionRecord } from './transaction-record.ts';

/** One OPTIONS of a client. A body it may have is read and means nothing. */
export class OptionsTransaction {
  readonly record: TransactionRecord;
  readonly #context: IcapContext;
  readonly #host: TransactionHost;
  readonly #head: RequestHead;
  #isWhole = false;
  #giveUp: (() => void) | undefined;

  constructor(context: IcapContext, host: TransactionHost, head: RequestHead) {
    this.#context = context;
    this.#host = host;
    this.#head = head;
    this.record = new TransactionRecord(context, host.client, head, host.writer.bytesWritten);
  }

  readonly hasAnswered = false;
  /** The gateway answers by itself. */
  readonly backend = undefined;

  get isWhole(): boolean {
    return this.#isWhole;
  }

  begin(): void {}

  addBody(): void {}

  endBody(): void {
    this.#isWhole = true;
  }

  settle(): void {
    if (!this.#isWhole || this.#giveUp !== undefined) return;
    this.#giveUp = () => {};
    const base = { close: this.#host.isClosing, own: this.record.correlation.answerField };
    const stop = answerOptions(this.#context, this.#head, base, ({ status, istag, text }) => {
      this.record.answered(status, undefined, istag);
      this.#host.writer.add(text);
      this.#host.flush();
      this.record.bytesIn = this.#host.requestBytes;
      this.record.over({ verdict: undefined, reason: 'options' }, [], this.#host.writer.bytesWritten);
      this.#host.done(false);
    });
    this.#giveUp = stop;
  }

  clientDrained(): void {}

  refused(): void {}

  cancel(reason: CloseReason): void {
    this.#giveUp?.();
    this.record.over({ verdict: undefined, reason }, [], this.#host.writer.bytesWritten);
  }

  /** A body that does not come is ended by the same rule as any other. */
  sweep(nowMs: number): void {
    const { bodyIdleMs } = this.#context.service.config.timeouts;
    if (!this.#isWhole && nowMs - this.record.startedMs >= bodyIdleMs) this.#host.abort('request-timeout');
  }
}
