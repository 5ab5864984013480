import type { FailPolicy } from '../../config/config.ts';
import { LAST_CHUNK } from '../../icap/chunk-encoder.ts';
import type { Section } from '../../icap/encapsulated.ts';
import { may204 } from '../../icap/legality.ts';
import type { BodyEnding } from '../../icap/message-reader.ts';
import type { RequestHead } from '../../icap/request-head.ts';
import { judge } from '../../icap/verdict.ts';
import type { BypassRuleLabel, CloseReason, ContentMethod } from '../../observe/labels.ts';
import { FILE_TYPE_BYTES } from '../../policy/bypass-rules.ts';
import { announcedBytes } from './announced-size.ts';
import type { AnswerRelay } from './answer-relay.ts';
import { BackendExchange, type GivenUp } from './backend-exchange.ts';
import { ClientRequest } from './client-request.ts';
import type { IcapContext } from './icap-context.ts';
import { blockAnswer, echoStart, statusAnswer } from './local-answer.ts';
import type { TransactionHost } from './transaction-host.ts';
import { type Outcome, TransactionRecord } from './transaction-record.ts';

/** A preview is kept whole in memory; no known client offers more. */
const MAX_PREVIEW_BYTES = 64 * 1024;
/** Body bytes that wait while no backend takes them. */
const HOLD_BYTES = 64 * 1024;
/** What a client may still send after its answer before the connection is closed instead. */
const DRAIN_BYTES = 8 * 1024 * 1024;

/**
 * `gathering`: not enough is known to ask a backend. `asking`: a backend is looked for, has the request, or answers it.
 * `echoing`: the client gets its own message back. `draining`: it has its answer and still sends, or gets it when it has
 * sent all.
 */
type Stage = 'gathering' | 'asking' | 'echoing' | 'draining' | 'over';

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
  #stage: Stage = 'gathering';
  #exchange: BackendExchange | undefined;
  /** What the request's head has decided already. */
  #act: (() => void) | undefined;
  #isTyped = false;
  #drainedBytes = 0;
  /** Given once the client has sent all. */
  #lateAnswer: (() => void) | undefined;
  #progress = 0;
  #progressMs: number;

  constructor(context: IcapContext, host: TransactionHost, head: RequestHead, method: ContentMethod) {
    this.#context = context;
    this.#host = host;
    this.#request = new ClientRequest(head, method);
    this.#record = new TransactionRecord(context.service, host.client, head, host.writer.bytesWritten);
    this.#progressMs = this.#record.startedMs;
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
    const { route, bypass, options, service } = this.#context;
    const { head, method } = this.#request;
    this.#request.sections = sections;
    const found = route(method, head.uri.path);
    if (typeof found === 'string') {
      this.#act = () => this.#answerStatus(found === 'no-path' ? 404 : 405, { verdict: 'error', reason: found });
      return;
    }
    this.#request.route = found;
    options.learn(found.path);
    const rule = bypass?.byHead(method, sections, head.encapsulated.body);
    const { bodyBytes } = service.config.limits;
    if (rule !== undefined) this.#act = () => this.#pass(rule, rule);
    else if (bodyBytes > 0 && announcedBytes(method, sections) > bodyBytes) this.#act = () => this.#oversized();
  }

  /** The piece is only read during the call. */
  addBody(piece: Buffer): void {
    const { store } = this.#request;
    store.append(piece);
    switch (this.#stage) {
      case 'draining':
        this.#drainedBytes += piece.length;
        break;
      case 'echoing':
        this.#addChunk(piece);
        break;
      case 'gathering':
      case 'asking':
        this.#addForBackend(piece);
        break;
    }
  }

  endBody(ending: BodyEnding): void {
    this.#request.ending = ending;
    if (this.#stage === 'echoing') this.#endEcho();
    else if (this.#stage === 'asking') this.#exchange?.endBody();
    else if (this.#stage === 'draining') {
      if (this.#lateAnswer === undefined) this.#done(false);
      else this.#lateAnswer();
    }
  }

  /** All that the client has sent for now was added. */
  settle(): void {
    if (this.#stage === 'gathering') this.#startWhenReady();
    else if (this.#stage === 'asking') {
      if (this.#exchange?.flush() === false) this.#host.pauseReading();
    } else if (this.#stage === 'echoing') {
      if (!this.#host.flush()) this.#host.pauseReading();
    } else if (this.#lateAnswer === undefined && this.#drainedBytes > DRAIN_BYTES) this.#done(true);
  }

  /** The client takes bytes again. */
  clientDrained(): void {
    if (this.#stage === 'echoing') this.#host.resumeReading();
    else this.#exchange?.resumeAnswer();
  }

  /** The connection to the client is over: gives everything back. */
  cancel(reason: CloseReason): void {
    if (this.#stage === 'over') return;
    this.#exchange?.drop();
    this.#tell({ verdict: 'aborted', reason });
  }

  /** Ends what takes too long. */
  sweep(nowMs: number): void {
    const { totalMs, responseMs } = this.#context.service.config.timeouts;
    const waitingSinceMs = this.#exchange?.waitingSinceMs;
    if (nowMs - this.#record.startedMs >= totalMs) {
      this.#late(`not finished within ${totalMs} ms`);
    } else if (waitingSinceMs !== undefined) {
      if (nowMs - waitingSinceMs >= responseMs) this.#exchange?.timeOut(`no answer within ${responseMs} ms`);
    } else if (this.#isStalled(nowMs)) {
      this.#stalled();
    }
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

  #startWhenReady(): void {
    const { ending, isPreview, store, head } = this.#request;
    if (ending === undefined && (isPreview || head.encapsulated.body === 'null-body')) return;
    const { bypass } = this.#context;
    if (this.#act !== undefined) {
      this.#act();
    } else if (bypass?.needsBody !== true || this.#isTyped) {
      this.#ask();
    } else if (ending !== undefined || store.receivedBytes >= FILE_TYPE_BYTES) {
      this.#stage = 'asking';
      const first = Buffer.concat(store.piecesFrom(0)).subarray(0, FILE_TYPE_BYTES);
      bypass.byBody(first).then((rule) => this.#typed(rule), crash);
    }
  }

  #typed(rule: BypassRuleLabel | undefined): void {
    if (this.#stage !== 'asking') return;
    this.#isTyped = true;
    if (rule === undefined) this.#ask();
    else this.#pass(rule, rule);
  }

  #ask(): void {
    this.#stage = 'asking';
    this.#exchange = new BackendExchange(this.#context, this.#host, this.#request, this.#record, {
      onAnswered: (answer) => this.#answered(answer),
      onUnmodified: () => this.#letPass(204, { verdict: 'allowed', reason: 'backend' }),
      onGivenUp: (cause, detail) => this.#givenUp(cause, detail),
      onAborted: (detail) => this.#aborted(detail),
    });
    this.#exchange.start();
  }

  #answered(answer: AnswerRelay): void {
    const { method, sections, store, ending } = this.#request;
    const isKnown = ending !== undefined && answer.hasBody && answer.status !== 206;
    const judgement = judge({
      method,
      sent: sections,
      status: answer.head.status,
      fields: answer.head.fields,
      received: answer.sections,
      bodyChanged: isKnown && answer.bodyBytes !== store.receivedBytes ? true : undefined,
    });
    this.#tell({ ...judgement, reason: 'backend' });
    this.#finish();
  }

  #givenUp(cause: GivenUp, detail: string): void {
    const { icap } = this.#context.service.config;
    if (cause === 'timeout') this.#apply('on-timeout', icap.onTimeout, 502, detail);
    else
      this.#apply(
        'when-down',
        icap.whenDown,
        cause === 'queue' ? 503 : this.#record.attempts === 0 ? 503 : 502,
        detail,
      );
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
    this.#letPass(204, { verdict: 'bypassed', reason, rule });
  }

  /** Tells the client to use what it has: with a 204 where it permits that, else by giving it back. */
  #letPass(status: 204, outcome: Outcome): void {
    const { phase, ending, store, isPreview, method, sections, head } = this.#request;
    if (may204(phase)) {
      // squid does not survive a 204 while it sends.
      if (ending === undefined && !isPreview) this.#answerLater(() => this.#answerStatus(status, outcome));
      else this.#answerStatus(status, outcome);
      return;
    }
    if (!store.isWhole) {
      // What a backend swallowed and nobody kept cannot be given back.
      this.#answerStatus(502, { verdict: 'error', reason: outcome.reason });
      return;
    }
    this.#stage = 'echoing';
    this.#begin(200);
    for (const piece of echoStart(method, sections, head.encapsulated.body, this.#fields(false))) {
      this.#host.writer.add(piece);
    }
    for (const piece of store.piecesFrom(0)) this.#addChunk(piece);
    store.forget();
    this.#echoOutcome = outcome;
    if (ending !== undefined) this.#endEcho();
    else if (this.#host.flush()) this.#host.resumeReading();
  }

  #echoOutcome: Outcome | undefined;

  #addChunk(piece: Buffer): void {
    const { writer } = this.#host;
    writer.add(`${piece.length.toString(16)}\r\n`);
    writer.add(piece);
    writer.add('\r\n');
  }

  #endEcho(): void {
    if (this.#request.head.encapsulated.body !== 'null-body') this.#host.writer.add(LAST_CHUNK);
    this.#host.flush();
    if (this.#echoOutcome !== undefined) this.#tell(this.#echoOutcome);
    this.#done(false);
  }

  #block(reason: string, detail: string): void {
    const { service, blockPage } = this.#context;
    const page = blockPage({
      service: service.config.name,
      reason: detail,
      connection: String(this.#host.client.id),
      time: new Date().toISOString(),
    });
    this.#begin(200);
    for (const piece of blockAnswer(page, this.#fields(false))) this.#host.writer.add(piece);
    this.#host.flush();
    this.#tell({ verdict: 'blocked', reason, httpStatus: 403 });
    this.#finish();
  }

  /** Answers with a status alone. An error ends the connection where the client is still sending. */
  #answerStatus(status: number, outcome: Outcome): void {
    const isSending = this.#request.ending === undefined;
    this.#begin(status);
    this.#host.writer.add(statusAnswer(status, this.#fields(isSending)));
    this.#host.flush();
    this.#tell(outcome);
    this.#done(isSending);
  }

  #answerLater(answer: () => void): void {
    this.#stage = 'draining';
    this.#lateAnswer = answer;
    this.#host.resumeReading();
  }

  #begin(status: number): void {
    const isBackends = status === 204 && this.#record.attempts > 0;
    this.#record.answered(status, isBackends ? this.#record.member : undefined, this.#istag);
  }

  #fields(close: boolean) {
    return { istag: this.#istag, close: close || this.#host.isClosing };
  }

  get #istag(): string | undefined {
    return this.#context.options.istag(this.#request.route.path);
  }

  /** The client has its answer. One that still sends may finish, within bounds. */
  #finish(): void {
    if (this.#request.ending !== undefined) {
      this.#done(false);
      return;
    }
    this.#stage = 'draining';
    this.#host.resumeReading();
  }

  #done(close: boolean): void {
    this.#stage = 'over';
    this.#host.done(close);
  }

  #tell(outcome: Outcome): void {
    this.#record.bytesIn = this.#request.store.receivedBytes;
    this.#record.over(outcome, this.#request.sections, this.#host.writer.bytesWritten);
  }

  #isStalled(nowMs: number): boolean {
    const { bodyIdleMs } = this.#context.service.config.timeouts;
    const { writer, client } = this.#host;
    const progress = this.#request.store.receivedBytes + writer.bytesWritten - client.socket.writableLength;
    // Whoever looks for a backend has deadlines of its own.
    const isSearching = this.#stage === 'asking' && this.#exchange?.isSending !== true;
    if (progress === this.#progress && !isSearching) return nowMs - this.#progressMs >= bodyIdleMs;
    this.#progress = progress;
    this.#progressMs = nowMs;
    return false;
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
    } else if (this.#stage === 'echoing' || this.#stage === 'draining') {
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
