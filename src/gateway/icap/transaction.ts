import type { Section } from '../../icap/encapsulated.ts';
import type { BodyEnding } from '../../icap/message-reader.ts';
import type { RequestHead } from '../../icap/request-head.ts';
import type { CloseReason, ContentMethod } from '../../observe/labels.ts';
import type { AnswerRelay } from './answer-relay.ts';
import { BackendExchange } from './backend-exchange.ts';
import type { BlockedParty } from './blocked-party.ts';
import { ClientRequest } from './client-request.ts';
import { Deadlines } from './deadlines.ts';
import type { GivenUp } from './exchange-handlers.ts';
import type { IcapContext } from './icap-context.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { OwnAnswer } from './own-answer.ts';
import { type Decision, Screening } from './screening.ts';
import type { TransactionHost } from './transaction-host.ts';
import { TransactionRecord } from './transaction-record.ts';

/** A preview is kept whole in memory; no known client offers more. */
const MAX_PREVIEW_BYTES = 64 * 1024;
/** Body bytes that wait while no backend takes them. */
const HOLD_BYTES = 64 * 1024;
/**
 * `gathering`: not enough is known to ask a backend. `asking`: a backend is looked for, has the request, or has answered
 * it, or the gateway answers itself.
 */
type Stage = 'gathering' | 'asking' | 'over';

/**
 * One REQMOD or RESPMOD of a client, from its head to the end of its answer: a backend's, or where none can be had the
 * one that the service's rules and policies give.
 */
export class Transaction {
  readonly record: TransactionRecord;
  readonly #context: IcapContext;
  readonly #host: TransactionHost;
  readonly #request: ClientRequest;
  readonly #screening: Screening;
  readonly #own: OwnAnswer;
  #stage: Stage = 'gathering';
  #exchange: BackendExchange | undefined;
  readonly #deadlines: Deadlines;

  constructor(context: IcapContext, host: TransactionHost, head: RequestHead, method: ContentMethod) {
    this.#context = context;
    this.#host = host;
    this.#request = new ClientRequest(head, method);
    this.#screening = new Screening(context, this.#request);
    this.record = new TransactionRecord(context, host.client, head, host.writer.bytesWritten);
    this.#own = new OwnAnswer(context, host, this.#request, this.record, {
      onTold: (outcome) => this.#tell(outcome),
      onDone: (close) => this.#done(close),
      exchange: () => this.#exchange,
    });
    this.#deadlines = new Deadlines(context.service.config.timeouts, this.record.startedMs);
  }

  /** Whether the client has seen a byte of its answer. */
  get hasAnswered(): boolean {
    return this.record.status !== undefined;
  }

  /** Whether the client has sent all it will send before it is answered. */
  get isWhole(): boolean {
    return this.#request.ending !== undefined;
  }

  /** Who has the request, or had it last. */
  get backend(): string | undefined {
    return this.record.member?.backendName;
  }

  /** The header blocks are known; the body follows as `addBody` and `endBody`. */
  begin(sections: readonly Section[]): void {
    this.#request.sections = sections;
    this.#screening.begin();
  }

  /** The piece is only read during the call. */
  addBody(piece: Buffer): void {
    const { store } = this.#request;
    const { sink } = this.#own;
    if (sink === undefined) {
      store.append(piece);
      if (this.#stage !== 'over') this.#addForBackend(piece);
    } else {
      store.skip(piece.length);
      sink.addBody(piece);
    }
  }

  endBody(ending: BodyEnding): void {
    this.#request.ending = ending;
    if (this.#own.sink !== undefined) this.#own.sink.endBody();
    else this.#exchange?.endBody();
  }

  /** All that the client has sent for now was added. `isBurst`: more of it is about to come. */
  settle(isBurst: boolean): void {
    if (this.#own.sink !== undefined) this.#own.sink.settle();
    else if (this.#stage === 'gathering') this.#screen();
    else if (this.#exchange?.flush(isBurst) === false) this.#host.pauseReading();
  }

  /** The client takes bytes again. */
  clientDrained(): void {
    if (this.#own.sink !== undefined) this.#own.sink.clientDrained();
    else this.#exchange?.resumeAnswer();
  }

  /** The connection to the client is over: gives everything back. */
  cancel(reason: CloseReason): void {
    if (this.#stage === 'over') return;
    this.#stage = 'over';
    this.#exchange?.drop();
    this.#tell({ verdict: 'aborted', reason });
  }

  /** The client broke the protocol, and is answered by the connection. */
  refused(status: number, reason: CloseReason): void {
    this.#stage = 'over';
    this.#exchange?.drop();
    this.record.status = status;
    this.#tell({ verdict: 'error', reason });
  }

  /** Ends what takes too long. */
  sweep(nowMs: number): void {
    const { writer, client } = this.#host;
    const exchange = this.#exchange;
    const { totalMs, responseMs } = this.#context.service.config.timeouts;
    const expired = this.#deadlines.check(nowMs, {
      waitingSinceMs: exchange?.waitingSinceMs,
      // Whoever looks for a backend has deadlines of its own.
      isSearching: this.#stage === 'asking' && this.#own.sink === undefined && exchange?.isSending !== true,
      movedBytes: this.#request.store.receivedBytes + writer.bytesWritten - client.socket.writableLength,
    });
    if (expired === 'total') this.#late(`not finished within ${totalMs} ms`);
    else if (expired === 'response') exchange?.timeOut(`no answer within ${responseMs} ms`);
    else if (expired === 'body-idle') this.#stalled();
  }

  #addForBackend(piece: Buffer): void {
    const { limits, icap } = this.#context.service.config;
    const { store, isPreview } = this.#request;
    const hasAnswer = this.#exchange?.hasAnswered === true;
    if (limits.bodyBytes > 0 && store.receivedBytes > limits.bodyBytes && !hasAnswer) {
      this.#oversized();
    } else if (isPreview) {
      if (store.receivedBytes > MAX_PREVIEW_BYTES) this.#own.status(413, { verdict: 'error', reason: 'preview' });
    } else if (this.#exchange?.isSending === true) {
      this.#exchange.addBody(piece);
      if (store.receivedBytes > icap.retainBytes) store.forget();
    } else if (store.receivedBytes >= HOLD_BYTES) {
      this.#host.pauseReading();
    }
  }

  #screen(): void {
    const decision = this.#screening.decide();
    if (decision === undefined) return;
    this.#stage = 'asking';
    if (decision instanceof Promise) decision.then((late) => this.#decided(late), crash);
    else this.#decided(decision);
  }

  #decided(decision: Decision): void {
    if (this.#stage !== 'asking') return;
    if (decision.kind === 'ask') this.#ask();
    else if (decision.kind === 'pass')
      this.#own.letPass({ verdict: 'bypassed', reason: decision.rule, rule: decision.rule });
    else if (decision.kind === 'oversized') this.#oversized();
    else if (decision.kind === 'block') this.#block(decision.party);
    else this.#own.status(decision.status, { verdict: 'error', reason: decision.reason });
  }

  #block({ level, address, threat }: BlockedParty): void {
    const { counters, index, events } = this.#context.service;
    counters.icapBlocked(index, level);
    events.log('icap-request-blocked', { ...this.record.names(), found: level, address, threat });
    const whom = level === 'target' ? 'the server' : 'the client';
    this.#own.block(`blocked-${level}`, `the address of ${whom} is blocked: ${address}`, threat);
  }

  #ask(): void {
    this.#exchange = new BackendExchange(this.#context, this.#host, this.#request, this.record, {
      onAnswered: (answer) => this.#answered(answer),
      onUnmodified: () => this.#own.letPass({ verdict: 'allowed', reason: 'backend' }),
      onGivenUp: (cause, detail) => this.#givenUp(cause, detail),
      onAborted: (detail) => this.#aborted(detail),
    });
    this.#exchange.start();
  }

  #answered(answer: AnswerRelay): void {
    this.record.answer = answer;
    this.#tell(outcomeOf(this.#request, answer));
    this.#own.finish();
  }

  #givenUp(cause: GivenUp, detail: string): void {
    const { icap } = this.#context.service.config;
    if (cause === 'timeout') {
      this.#own.apply('on-timeout', icap.onTimeout, 502, detail);
      return;
    }
    // 502: somebody was asked. RFC 3507 4.3.3 has 503 for a server that could take no more.
    const status = cause === 'queue' || this.record.attempts === 0 ? 503 : 502;
    this.#own.apply('when-down', icap.whenDown, status, detail);
  }

  #aborted(detail: string): void {
    const { member } = this.record;
    if (member !== undefined) {
      const { client, ...names } = this.record.names();
      const { backendName: backend, addressText: address } = member;
      this.#context.service.events.log('icap-answer-aborted', { ...names, backend, address, detail });
    }
    this.#tell({ verdict: 'aborted', reason: 'backend-abort' });
    this.#host.abort('backend-abort');
  }

  #oversized(): void {
    const { limits, icap } = this.#context.service.config;
    this.#exchange?.drop();
    this.#own.apply('on-oversize', icap.onOversize, 413, `the body is larger than ${limits.bodyBytes} bytes`);
  }

  #done(close: boolean): void {
    this.#stage = 'over';
    // A backend that still takes the rest of a body has answered already.
    this.#exchange?.drop();
    this.#host.done(close);
  }

  #tell(outcome: Outcome): void {
    this.record.bytesIn = this.#host.requestBytes;
    this.record.over(outcome, this.#request.sections, this.#host.writer.bytesWritten);
    this.#request.store.forget();
  }

  #stalled(): void {
    const { bodyIdleMs } = this.#context.service.config.timeouts;
    const detail = `nothing moved for ${bodyIdleMs} ms`;
    const exchange = this.#exchange;
    if (this.#own.sink !== undefined) {
      this.#expire();
    } else if (exchange?.hasAnswered === true) {
      const isClients = this.#host.client.socket.writableLength > 0;
      if (!isClients) exchange.blame();
      exchange.drop();
      if (isClients) this.#expire();
      else this.#aborted(detail);
    } else if (exchange?.isBlocked === true || (exchange?.isSending === true && this.isWhole)) {
      exchange.timeOut(detail);
    } else {
      exchange?.drop();
      this.#own.status(408, { verdict: 'error', reason: 'request-timeout' });
    }
  }

  #late(detail: string): void {
    if (this.#stage !== 'asking' || this.#own.sink !== undefined) {
      this.#expire();
      return;
    }
    const hasAnswered = this.#exchange?.hasAnswered === true;
    if (hasAnswered && this.#host.client.socket.writableLength === 0) this.#exchange?.blame();
    this.#exchange?.drop();
    if (hasAnswered) this.#aborted(detail);
    else this.#givenUp('timeout', detail);
  }

  /** The client is what takes too long. */
  #expire(): void {
    this.#tell({ verdict: 'aborted', reason: 'request-timeout' });
    this.#stage = 'over';
    this.#host.abort('request-timeout');
  }
}

/** A rule that rejects is a mistake in this program. */
function crash(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
