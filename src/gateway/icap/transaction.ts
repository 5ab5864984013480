import type { FailPolicy } from '../../config/config.ts';
import type { Section } from '../../icap/encapsulated.ts';
import { may204 } from '../../icap/legality.ts';
import type { BodyEnding } from '../../icap/message-reader.ts';
import type { RequestHead } from '../../icap/request-head.ts';
import type { BypassRuleLabel, CloseReason, ContentMethod } from '../../observe/labels.ts';
import type { AnswerRelay } from './answer-relay.ts';
import { BackendExchange, type GivenUp } from './backend-exchange.ts';
import { ClientRequest } from './client-request.ts';
import { type ClientSink, Drain, Echo } from './client-sink.ts';
import { Deadlines } from './deadlines.ts';
import type { IcapContext } from './icap-context.ts';
import { LocalReply } from './local-reply.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { type Decision, Screening } from './screening.ts';
import type { TransactionHost } from './transaction-host.ts';
import { TransactionRecord } from './transaction-record.ts';

/** A preview is kept whole in memory; no known client offers more. */
const MAX_PREVIEW_BYTES = 64 * 1024;
/** Body bytes that wait while no backend takes them. */
const HOLD_BYTES = 64 * 1024;
/**
 * `gathering`: not enough is known to ask a backend. `asking`: a backend is looked for, has the request, or answers it.
 * `closing`: what the client still sends goes to a sink.
 */
type Stage = 'gathering' | 'asking' | 'closing' | 'over';

/** Which policy answers when no backend does. */
type PolicyCause = 'when-down' | 'on-timeout' | 'on-oversize';

/**
 * One REQMOD or RESPMOD of a client, from its head to the end of its answer: a backend's, or where none can be had the
 * one that the service's rules and policies give.
 */
export class Transaction {
  readonly #context: IcapContext;
  readonly #host: TransactionHost;
  readonly #request: ClientRequest;
  readonly #record: TransactionRecord;
  readonly #screening: Screening;
  readonly #reply: LocalReply;
  #stage: Stage = 'gathering';
  #exchange: BackendExchange | undefined;
  #sink: ClientSink | undefined;
  readonly #deadlines: Deadlines;

  constructor(context: IcapContext, host: TransactionHost, head: RequestHead, method: ContentMethod) {
    this.#context = context;
    this.#host = host;
    this.#request = new ClientRequest(head, method);
    this.#screening = new Screening(context, this.#request);
    this.#record = new TransactionRecord(context.service, host.client, head, host.writer.bytesWritten);
    this.#reply = new LocalReply(context, host, this.#request, this.#record);
    this.#deadlines = new Deadlines(context.service.config.timeouts, this.#record.startedMs);
  }

  /** Whether the client has seen a byte of its answer. */
  get hasAnswered(): boolean {
    return this.#record.status !== undefined;
  }

  /** Whether the client has sent all it will send before it is answered. */
  get isWhole(): boolean {
    return this.#request.ending !== undefined;
  }

  /** The header blocks are known; the body follows as `addBody` and `endBody`. */
  begin(sections: readonly Section[]): void {
    this.#request.sections = sections;
    this.#screening.begin();
  }

  /** The piece is only read during the call. */
  addBody(piece: Buffer): void {
    const { store } = this.#request;
    store.append(piece);
    if (this.#sink !== undefined) this.#sink.addBody(piece);
    else if (this.#stage !== 'over') this.#addForBackend(piece);
  }

  endBody(ending: BodyEnding): void {
    this.#request.ending = ending;
    if (this.#sink !== undefined) this.#sink.endBody();
    else this.#exchange?.endBody();
  }

  /** All that the client has sent for now was added. */
  settle(): void {
    if (this.#sink !== undefined) this.#sink.settle();
    else if (this.#stage === 'gathering') this.#screen();
    else if (this.#exchange?.flush() === false) this.#host.pauseReading();
  }

  /** The client takes bytes again. */
  clientDrained(): void {
    if (this.#sink !== undefined) this.#sink.clientDrained();
    else this.#exchange?.resumeAnswer();
  }

  /** The connection to the client is over: gives everything back. */
  cancel(reason: CloseReason): void {
    if (this.#stage === 'over') return;
    this.#stage = 'over';
    this.#exchange?.drop();
    this.#tell({ verdict: 'aborted', reason });
  }

  /** Ends what takes too long. */
  sweep(nowMs: number): void {
    const { writer, client } = this.#host;
    const exchange = this.#exchange;
    const { totalMs, responseMs } = this.#context.service.config.timeouts;
    const expired = this.#deadlines.check(nowMs, {
      waitingSinceMs: exchange?.waitingSinceMs,
      // Whoever looks for a backend has deadlines of its own.
      isSearching: this.#stage === 'asking' && exchange?.isSending !== true,
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
      if (store.receivedBytes > MAX_PREVIEW_BYTES) this.#answerStatus(413, { verdict: 'error', reason: 'preview' });
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
    else if (decision.kind === 'pass') this.#pass(decision.rule, decision.rule);
    else if (decision.kind === 'oversized') this.#oversized();
    else this.#answerStatus(decision.status, { verdict: 'error', reason: decision.reason });
  }

  #ask(): void {
    this.#exchange = new BackendExchange(this.#context, this.#host, this.#request, this.#record, {
      onAnswered: (answer) => this.#answered(answer),
      onUnmodified: () => this.#letPass({ verdict: 'allowed', reason: 'backend' }),
      onGivenUp: (cause, detail) => this.#givenUp(cause, detail),
      onAborted: (detail) => this.#aborted(detail),
    });
    this.#exchange.start();
  }

  #answered(answer: AnswerRelay): void {
    this.#tell(outcomeOf(this.#request, answer));
    this.#finish();
  }

  #givenUp(cause: GivenUp, detail: string): void {
    const { icap } = this.#context.service.config;
    if (cause === 'timeout') {
      this.#apply('on-timeout', icap.onTimeout, 502, detail);
      return;
    }
    // 502: somebody was asked. RFC 3507 4.3.3 has 503 for a server that could take no more.
    const status = cause === 'queue' || this.#record.attempts === 0 ? 503 : 502;
    this.#apply('when-down', icap.whenDown, status, detail);
  }

  #aborted(detail: string): void {
    const { service, connection } = this.#host.client.names();
    const member = this.#record.member;
    if (member !== undefined) {
      const { backendName: backend, addressText: address } = member;
      this.#context.service.events.log('icap-answer-aborted', { service, connection, backend, address, detail });
    }
    this.#tell({ verdict: 'aborted', reason: 'backend-abort' });
    this.#host.abort('backend-abort');
  }

  #oversized(): void {
    const { limits, icap } = this.#context.service.config;
    this.#exchange?.drop();
    this.#apply('on-oversize', icap.onOversize, 413, `the body is larger than ${limits.bodyBytes} bytes`);
  }

  /** Answers by policy: no backend does. */
  #apply(cause: PolicyCause, policy: FailPolicy, status: number, detail: string): void {
    const { method, route } = this.#request;
    const { events } = this.#context.service;
    events.log('icap-policy', { ...this.#host.client.names(), method, path: route.path, policy, cause: detail });
    switch (policy) {
      case 'bypass':
        this.#pass(cause, cause);
        break;
      case 'block':
        this.#block(cause, detail);
        break;
      case 'error':
        this.#answerStatus(status, { verdict: 'error', reason: cause });
        break;
      case 'reset':
        this.#tell({ verdict: 'error', reason: cause });
        this.#host.abort('policy');
        break;
    }
  }

  /** Lets the content pass although no backend has seen it. */
  #pass(rule: BypassRuleLabel, reason: string): void {
    this.#letPass({ verdict: 'bypassed', reason, rule });
  }

  /** Tells the client to use what it has: with a 204 where it permits that, else by giving it back. */
  #letPass(outcome: Outcome): void {
    const { phase, ending, store, isPreview } = this.#request;
    if (may204(phase)) {
      const answer = (): void => this.#answerStatus(204, outcome);
      // squid does not survive a 204 while it sends.
      if (ending === undefined && !isPreview) this.#drain(false, answer);
      else answer();
    } else if (store.isWhole) {
      this.#echo(outcome);
    } else {
      // What a backend swallowed and nobody kept cannot be given back.
      this.#answerStatus(502, { verdict: 'error', reason: outcome.reason });
    }
  }

  #echo(outcome: Outcome): void {
    this.#reply.startEcho();
    const sink = new Echo(this.#host, this.#reply, () => {
      this.#tell(outcome);
      this.#done(false);
    });
    this.#close(sink);
    if (this.#request.ending !== undefined) sink.endBody();
    else if (this.#host.flush()) this.#host.resumeReading();
  }

  #block(reason: string, detail: string): void {
    this.#reply.block(detail);
    this.#tell({ verdict: 'blocked', reason, httpStatus: 403 });
    this.#finish();
  }

  /** Answers with a status alone. An error ends the connection where the client is still sending. */
  #answerStatus(status: number, outcome: Outcome): void {
    const isSending = this.#request.ending === undefined;
    this.#reply.status(status, isSending);
    this.#tell(outcome);
    this.#done(isSending);
  }

  /** The client has its answer. One that still sends may finish, within bounds. */
  #finish(): void {
    if (this.#request.ending !== undefined) this.#done(false);
    else this.#drain(true, (isTooMuch) => this.#done(isTooMuch));
  }

  #drain(isAnswered: boolean, onEnd: (isTooMuch: boolean) => void): void {
    this.#close(new Drain(this.#host, this.#exchange, isAnswered, onEnd));
    this.#host.resumeReading();
  }

  #close(sink: ClientSink): void {
    this.#stage = 'closing';
    this.#sink = sink;
  }

  #done(close: boolean): void {
    this.#stage = 'over';
    // A backend that still takes the rest of a body has answered already.
    this.#exchange?.drop();
    this.#host.done(close);
  }

  #tell(outcome: Outcome): void {
    this.#record.bytesIn = this.#host.requestBytes;
    this.#record.over(outcome, this.#request.sections, this.#host.writer.bytesWritten);
  }

  #stalled(): void {
    const { bodyIdleMs } = this.#context.service.config.timeouts;
    const detail = `nothing moved for ${bodyIdleMs} ms`;
    if (this.#exchange?.hasAnswered === true) {
      const isClients = this.#host.client.socket.writableLength > 0;
      this.#exchange.drop();
      if (isClients) this.#expire();
      else this.#aborted(detail);
    } else if (this.#exchange?.isBlocked === true) {
      this.#exchange.timeOut(detail);
    } else if (this.#sink !== undefined) {
      this.#expire();
    } else {
      this.#exchange?.drop();
      this.#answerStatus(408, { verdict: 'error', reason: 'request-timeout' });
    }
  }

  #late(detail: string): void {
    if (this.#stage === 'asking' && this.#exchange?.hasAnswered !== true) {
      this.#exchange?.drop();
      this.#givenUp('timeout', detail);
    } else if (this.#stage === 'asking') {
      this.#exchange?.drop();
      this.#aborted(detail);
    } else {
      this.#expire();
    }
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
