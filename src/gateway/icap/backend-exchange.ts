import type { AddressedMember } from '../../health/membership.ts';
import { fieldValue } from '../../icap/field.ts';
import { may204 } from '../../icap/legality.ts';
import type { MessageEvent } from '../../icap/message-reader.ts';
import type { ResponseHead } from '../../icap/response-head.ts';
import type { AttemptFailure } from '../../policy/retry-rule.ts';
import type { BackendFailure } from '../backend-search.ts';
import { AnswerRelay, clientStatus } from './answer-relay.ts';
import { failureOfStatus, isUnmodified, retryAfterMs } from './answer-rule.ts';
import { Attempt } from './attempt.ts';
import { AttemptFailures, isStale } from './attempt-failure.ts';
import type { BackendConnection, ConnectionLoss } from './backend-connection.ts';
import type { ClientRequest } from './client-request.ts';
import type { ExchangeHandlers, GivenUp } from './exchange-handlers.ts';
import type { IcapContext } from './icap-context.ts';
import { MemberSearch } from './member-search.ts';
import { outgoingMessage } from './outgoing-message.ts';
import type { TransactionHost } from './transaction-host.ts';
import type { TransactionRecord } from './transaction-record.ts';

const CONTINUE = 'ICAP/1.0 100 Continue\r\n\r\n';
/**
 * The backends' side of one transaction: finds one, sends it the request, passes its answer on, and does so again with
 * another one while that is safe. It holds a place at a backend until the answer is whole, or `drop`.
 */
export class BackendExchange {
  readonly #context: IcapContext;
  readonly #host: TransactionHost;
  readonly #request: ClientRequest;
  readonly #record: TransactionRecord;
  readonly #handlers: ExchangeHandlers;
  readonly #search: MemberSearch;
  readonly #failures: AttemptFailures;
  #attempt: Attempt | undefined;
  #answer: AnswerRelay | undefined;
  #isPreviewSent = false;
  #isAnswerWhole = false;
  #isOver = false;

  constructor(
    context: IcapContext,
    host: TransactionHost,
    request: ClientRequest,
    record: TransactionRecord,
    handlers: ExchangeHandlers,
  ) {
    this.#context = context;
    this.#host = host;
    this.#request = request;
    this.#record = record;
    this.#handlers = handlers;
    this.#failures = new AttemptFailures(context, request, record);
    this.#search = new MemberSearch(context, request, host.client.peer.address, {
      onConnection: (connection) => this.#ask(connection),
      onConnectFailure: (member, reason, detail) => this.#connectFailed(member, reason, detail),
      onNobody: (end) => this.#giveUp(end, end === 'down' ? 'no backend is up' : 'no backend had a place in time'),
    });
  }

  start(): void {
    this.#search.next();
  }

  /** Whether a backend has what the client has sent so far, so that more can go straight on. */
  get isSending(): boolean {
    return this.#attempt !== undefined;
  }

  /** Whether the client has seen a byte of a final answer. */
  get hasAnswered(): boolean {
    return this.#answer?.hasBegun === true;
  }

  /** The piece is copied at the next `flush`. */
  addBody(piece: Buffer): void {
    this.#attempt?.addBody(piece);
  }

  endBody(): void {
    const attempt = this.#attempt;
    attempt?.endBody();
    if (attempt === undefined || !this.#isOver) return;
    attempt.flush(false);
    this.#releaseAttempt(attempt);
  }

  /** Returns false when the backend wants to drain before it takes more. `isBurst`: more is about to come. */
  flush(isBurst: boolean): boolean {
    return this.#attempt?.flush(isBurst) ?? true;
  }

  /** Since when the backend owes the first byte of an answer; undefined while it does not. */
  get waitingSinceMs(): number | undefined {
    return this.hasAnswered ? undefined : this.#attempt?.sentAtMs;
  }

  /** Whether the answer has been passed on to its end. */
  get isAnswerWhole(): boolean {
    return this.#isAnswerWhole;
  }

  /** Whether it waits for the backend to take more of the body. */
  get isBlocked(): boolean {
    return this.#attempt?.connection.isBlocked === true;
  }

  /** The client takes bytes again. */
  resumeAnswer(): void {
    this.#attempt?.connection.resume();
  }

  /** The backend is too slow: another one is asked, or it is given up. */
  timeOut(detail: string): void {
    const isPreview = this.#isPreviewSent && this.#request.ending === 'preview';
    if (this.#attempt !== undefined && this.#isRetried(isPreview ? 'preview-timeout' : 'timeout', detail)) return;
    this.#giveUp('timeout', detail);
  }

  /** Ends it without a word, and gives everything back. */
  drop(): void {
    this.#isOver = true;
    this.#search.abandon();
    this.#dropAttempt();
  }

  #ask(connection: BackendConnection): void {
    const clientIp = this.#host.client.peer.address;
    const { requestLines } = this.#record.correlation;
    this.#record.asked(connection.member);
    this.#isPreviewSent = this.#request.isPreview;
    this.#attempt = new Attempt(
      connection,
      outgoingMessage(this.#context, this.#request, connection.member, clientIp, requestLines),
      {
        onEvent: (event) => this.#received(event),
        onPause: () => this.#passOn(),
        onLost: (loss, detail) => this.#lost(loss, detail),
        onDrain: () => this.#host.resumeReading(),
      },
    );
    if (!this.#request.isRetained(this.#context.service.config.icap.retainBytes)) this.#request.store.forget();
    this.#host.resumeReading();
  }

  #received(event: MessageEvent<ResponseHead>): void {
    switch (event.type) {
      case 'head':
        if (event.head.status >= 200) this.#judgeHead(event.head);
        else if (event.head.status !== 100) this.#lost('malformed', `it answered ${event.head.status}`);
        break;
      case 'sections':
        this.#answer?.addSections(event.sections);
        break;
      case 'data':
        this.#answer?.addBody(event.data);
        break;
      case 'end':
        if (this.#answer === undefined) this.#continued();
        else this.#answer.end(event.useOriginalBody);
        this.#isAnswerWhole = this.#answer !== undefined;
    }
  }

  /** The backend said 100. Only a client that waits in its preview may hear of it, and only once. */
  #continued(): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    const isWanted = this.#isPreviewSent && this.#request.isPreview && this.#request.ending === 'preview';
    attempt.connection.expectAnother();
    if (!isWanted) return;
    attempt.continueBody();
    this.#request.hasContinued = true;
    this.#request.ending = undefined;
    this.#host.writer.add(CONTINUE);
    this.#host.flush();
    this.#host.continueBody();
  }

  #judgeHead(head: ResponseHead): void {
    const attempt = this.#attempt as Attempt;
    const failure = failureOfStatus(head.status, attempt.connection.isReused);
    const text = `it answered ${head.status} ${head.reason}`.trimEnd();
    if (failure === '5xx') this.#failures.errorCount += 1;
    if (failure !== undefined && this.#isRetried(failure, text, retryAfterMs(head))) return;
    const isIll = failure === 'saturated' || failure === '5xx';
    if (isIll && this.#context.service.config.icap.whenDown !== 'error') {
      this.#giveUp('down', text);
      return;
    }
    if (isUnmodified(head) && !(head.status === 204 && may204(this.#request.phase))) {
      this.#dropAttempt();
      this.#isOver = true;
      this.#handlers.onUnmodified();
      return;
    }
    if (head.status === 206 && !this.#request.may206) {
      this.#lost('malformed', 'it answered 206, which was not asked for');
      return;
    }
    // RFC 3507 allows it, but c-icap takes the rest of the body for the next request then.
    if (!attempt.isSent || head.close) attempt.connection.taint();
    const istag = this.#context.options.istag(this.#request.route.path);
    const { member } = attempt.connection;
    this.#answer = new AnswerRelay(this.#host.writer, head, {
      istag,
      close: this.#host.isClosing,
      own: this.#record.correlation.answerField,
      onBegin: () =>
        this.#record.answered(clientStatus(head.status), member, istag ?? fieldValue(head.fields, 'istag')),
    });
  }

  /** Everything that has arrived was told. */
  #passOn(): void {
    const answer = this.#answer;
    if (this.#isOver || answer === undefined) return;
    const mayGoOn = this.#host.flush();
    if (!this.#isAnswerWhole) {
      if (!mayGoOn) this.#attempt?.connection.pause();
      return;
    }
    this.#isOver = true;
    const attempt = this.#attempt as Attempt;
    if (failureOfStatus(answer.head.status, false) === undefined) {
      this.#context.ledger.succeeded(attempt.connection.member);
    }
    // A server may want the rest of the body all the same: c-icap reads it before it looks at anything else.
    if (attempt.isSent || answer.head.close) this.#releaseAttempt(attempt);
    this.#handlers.onAnswered(answer);
  }

  #releaseAttempt({ connection }: Attempt): void {
    this.#attempt = undefined;
    if (this.#context.connections.release(connection)) this.#context.queue.keptIdle();
  }

  #lost(loss: ConnectionLoss, detail: string): void {
    const attempt = this.#attempt;
    if (this.#isOver || attempt === undefined) return;
    if (this.hasAnswered) {
      this.blame();
      this.drop();
      this.#handlers.onAborted(detail);
      return;
    }
    const failure = loss === 'malformed' ? 'malformed' : isStale(attempt) ? 'stale' : 'closed';
    if (failure === 'closed' && !attempt.connection.hasReceived) this.#context.connections.hungUp(attempt.connection);
    if (!this.#isRetried(failure, detail)) this.#giveUp('down', detail);
  }

  /** The backend, not the client, is what an answer that has begun waits for. */
  blame(): void {
    if (this.#attempt !== undefined) this.#context.ledger.blame(this.#attempt.connection.member);
  }

  #connectFailed(member: AddressedMember, reason: BackendFailure, detail: string): boolean {
    this.#record.attempts += 1;
    // This machine ran out of something: no backend is to blame, and none will do better.
    const failure = reason === 'local' ? 'local' : 'connect';
    const next = failure === 'connect' && this.#failures.decide(failure) === 'other' && this.#search.hasOther();
    this.#failures.tell(member, { failure, detail, next });
    if (!next) this.#giveUp('down', detail);
    return next;
  }

  /** Ends the attempt and begins another one, if that is safe and there is somebody to ask. */
  #isRetried(failure: AttemptFailure, detail: string, pauseMs?: number): boolean {
    const attempt = this.#attempt as Attempt;
    const { member } = attempt.connection;
    const decision = this.hasAnswered ? 'no' : this.#failures.decide(failure);
    if (failure === 'stale') this.#context.connections.hungUp(attempt.connection);
    if (decision === 'other') this.#search.exclude(member);
    const next = decision === 'same' || (decision === 'other' && this.#search.hasOther());
    this.#failures.tell(member, { failure, detail, next, pauseMs });
    if (!next) return false;
    this.#answer = undefined;
    if (decision === 'same') {
      this.#attempt = undefined;
      attempt.connection.destroy();
      this.#search.again(member);
    } else {
      this.#dropAttempt();
      this.#search.next();
    }
    return true;
  }

  #giveUp(cause: GivenUp, detail: string): void {
    if (this.#isOver) return;
    this.drop();
    this.#handlers.onGivenUp(cause, detail);
  }

  #dropAttempt(): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt !== undefined) this.#context.connections.discard(attempt.connection);
  }
}
