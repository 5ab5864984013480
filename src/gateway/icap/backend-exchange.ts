import type { AddressedMember } from '../../health/membership.ts';
import { fieldValue } from '../../icap/field.ts';
import { may204 } from '../../icap/legality.ts';
import type { MessageEvent } from '../../icap/message-reader.ts';
import type { ResponseHead } from '../../icap/response-head.ts';
import { requestLine } from '../../icap/serialize.ts';
import { type AttemptFailure, decideRetry } from '../../policy/retry-rule.ts';
import type { BackendFailure } from '../backend-search.ts';
import { AnswerRelay } from './answer-relay.ts';
import { Attempt, type OutgoingMessage } from './attempt.ts';
import type { BackendConnection, ConnectionLoss } from './backend-connection.ts';
import type { ClientRequest } from './client-request.ts';
import type { IcapContext } from './icap-context.ts';
import { MemberSearch, type SearchEnd } from './member-search.ts';
import type { TransactionHost } from './transaction-host.ts';
import type { TransactionRecord } from './transaction-record.ts';

/** Why no backend has answered. */
export type GivenUp = SearchEnd | 'timeout';

export interface ExchangeHandlers {
  /** The whole answer is on its way to the client. */
  readonly onAnswered: (answer: AnswerRelay) => void;
  /** The backend lets the content pass with a 204 that this client does not take. */
  readonly onUnmodified: () => void;
  /** Nobody is left to ask, or it is of no use. The client has not seen anything of an answer. */
  readonly onGivenUp: (cause: GivenUp, detail: string) => void;
  /** The answer broke off after the client had its beginning. */
  readonly onAborted: (detail: string) => void;
}

const CONTINUE = 'ICAP/1.0 100 Continue\r\n\r\n';
/** How long a backend that answers 503 is left alone when it does not say itself. */
const SATURATED_MS = 1_000;
const LONGEST_SATURATED_MS = 5_000;

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
  #attempt: Attempt | undefined;
  #answer: AnswerRelay | undefined;
  #isPreviewSent = false;
  #isAnswerWhole = false;
  #hasReceived = false;
  #errorCount = 0;
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
    this.#search = new MemberSearch(context, request.route, this.#hashKey(), {
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
    this.#attempt?.endBody();
  }

  /** Returns false when the backend wants to drain before it takes more. */
  flush(): boolean {
    return this.#attempt?.flush() ?? true;
  }

  /** Since when the backend owes the first byte of an answer; undefined while it does not. */
  get waitingSinceMs(): number | undefined {
    return this.#answer === undefined ? this.#attempt?.sentAtMs : undefined;
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

  #hashKey(): string {
    const { header } = this.#context.service.config.balance;
    const value = header === undefined ? undefined : fieldValue(this.#request.head.fields, header.toLowerCase());
    return value ?? this.#host.client.peer.address ?? '';
  }

  #ask(connection: BackendConnection): void {
    const { head, store } = this.#request;
    this.#record.attempts += 1;
    this.#record.member = connection.member;
    this.#hasReceived = false;
    this.#isPreviewSent = this.#request.isPreview;
    this.#attempt = new Attempt(connection, this.#message(connection.member), {
      onEvent: (event) => this.#received(event),
      onPause: () => this.#passOn(),
      onLost: (loss, detail) => this.#lost(loss, detail),
      onDrain: () => this.#host.resumeReading(),
    });
    const isTooMuch = store.receivedBytes > this.#context.service.config.icap.retainBytes;
    if (isTooMuch && head.preview === undefined) store.forget();
    this.#host.resumeReading();
  }

  #message({ backend }: AddressedMember): OutgoingMessage {
    const { requestFields, authorities } = this.#context;
    const { head, method, route, sections, store, isPreview, ending } = this.#request;
    const authority = authorities[backend] ?? '';
    const fields = requestFields(head, {
      authority,
      preview: isPreview ? head.preview : undefined,
      allow204: head.allow204,
      allow206: this.#request.may206,
      clientIp: this.#host.client.peer.address,
    });
    return {
      method,
      lines: `${requestLine(method, `icap://${authority}${route.path}${head.uri.query}`)}${fields}`,
      sections,
      body: head.encapsulated.body,
      store,
      // Without its preview the request is one body, however the client began it.
      ending: isPreview || ending === undefined ? ending : 'complete',
    };
  }

  #received(event: MessageEvent<ResponseHead>): void {
    this.#hasReceived = true;
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
        if (this.#answer === undefined) {
          this.#continued();
        } else {
          this.#answer.end(event.useOriginalBody);
          this.#isAnswerWhole = true;
        }
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
    if (failure === '5xx') this.#errorCount += 1;
    if (failure !== undefined && this.#isRetried(failure, text, retryAfterMs(head))) return;
    if (failure === 'saturated' || failure === '5xx') {
      if (this.#context.service.config.icap.whenDown !== 'error') {
        this.#giveUp('down', text);
        return;
      }
    } else if (failure === undefined) {
      this.#succeeded(attempt.connection.member);
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
    if (!attempt.isSent) attempt.connection.taint();
    const istag = this.#context.options.istag(this.#request.route.path);
    this.#answer = new AnswerRelay(this.#host.writer, head, { istag, close: this.#host.isClosing });
    this.#record.answered(this.#answer.status, attempt.connection.member, istag ?? fieldValue(head.fields, 'istag'));
  }

  #succeeded({ slot }: AddressedMember): void {
    const { pool } = this.#context.service;
    pool.recordSuccess(slot);
    pool.recordAnswer(slot, this.#context.queue.nowMs());
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
    const { connection } = this.#attempt as Attempt;
    if (this.#attempt?.isSent !== true) connection.taint();
    this.#attempt = undefined;
    if (this.#context.connections.release(connection)) this.#context.queue.keptIdle();
    this.#handlers.onAnswered(answer);
  }

  #lost(loss: ConnectionLoss, detail: string): void {
    if (this.#isOver) return;
    if (this.hasAnswered) {
      this.#fail();
      this.drop();
      this.#handlers.onAborted(detail);
      return;
    }
    const isStale = loss !== 'malformed' && !this.#hasReceived && this.#attempt?.connection.isReused === true;
    const failure = loss === 'malformed' ? 'malformed' : isStale ? 'stale' : 'closed';
    if (!this.#isRetried(failure, detail)) this.#giveUp('down', detail);
  }

  #connectFailed(member: AddressedMember, reason: BackendFailure, detail: string): boolean {
    const { pool, events } = this.#context.service;
    // This machine ran out of something: no backend is to blame, and none will do better.
    if (reason !== 'local') this.#blame(member.slot, pool.recordFailure(member.slot));
    const mayRetry = decideRetry(this.#policy, 'connect', this.#facts) === 'other';
    const next = reason !== 'local' && mayRetry && this.#search.hasOther();
    events.log('icap-attempt-failed', { ...this.#names(member), reason: 'connect', detail, next });
    if (next) this.#record.retried('connect');
    else this.#giveUp('down', detail);
    return next;
  }

  /** Ends the attempt and begins another one, if that is safe and there is somebody to ask. */
  #isRetried(failure: AttemptFailure, detail: string, saturatedMs = SATURATED_MS): boolean {
    const attempt = this.#attempt as Attempt;
    const { member } = attempt.connection;
    const decision = this.hasAnswered ? 'no' : decideRetry(this.#policy, failure, this.#facts);
    if (failure === 'saturated') {
      this.#context.service.pool.recordSaturation(member.slot, this.#context.queue.nowMs(), saturatedMs);
    } else if (failure !== 'stale' && failure !== 'path') {
      this.#fail();
    }
    if (decision === 'other') this.#search.exclude(member);
    const next = decision === 'same' || (decision === 'other' && this.#search.hasOther());
    const reason = failure === 'preview-timeout' ? 'timeout' : failure;
    this.#context.service.events.log('icap-attempt-failed', { ...this.#names(member), reason, detail, next });
    if (!next) return false;
    this.#record.retried(reason);
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

  get #policy() {
    return this.#context.service.config.icap.retry;
  }

  get #facts() {
    return { isRetained: this.#request.store.isWhole, errorCount: this.#errorCount };
  }

  /** The backend of this attempt has failed its client. */
  #fail(): void {
    const slot = this.#attempt?.connection.member.slot;
    if (slot !== undefined) this.#blame(slot, this.#context.service.pool.recordFailure(slot));
  }

  #blame(slot: number, streak: number): void {
    const { config, onFailures } = this.#context.service;
    const { consecutiveFailures } = config.outliers;
    if (consecutiveFailures > 0 && streak >= consecutiveFailures) onFailures(slot);
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

  #names(member: AddressedMember) {
    const { service, connection } = this.#host.client.names();
    const { backendName: backend, addressText: address } = member;
    return { service, connection, backend, address, method: this.#request.method, path: this.#request.route.path };
  }
}

/** What an answer's status says against its backend; undefined: nothing, or nothing that another one would do better. */
function failureOfStatus(status: number, isReused: boolean): AttemptFailure | undefined {
  switch (status) {
    case 404:
    case 405:
      return 'path';
    case 408:
      return isReused ? 'stale' : undefined;
    case 501:
    case 505:
      return undefined;
    case 503:
      return 'saturated';
    default:
      return status >= 500 ? '5xx' : undefined;
  }
}

/** A 204, or c-icap's 200 that holds nothing. */
function isUnmodified({ status, encapsulated }: ResponseHead): boolean {
  if (status === 204) return true;
  return status === 200 && encapsulated.body === 'null-body' && encapsulated.headers.every(({ bytes }) => bytes === 0);
}

function retryAfterMs({ fields }: ResponseHead): number {
  const seconds = Number.parseInt(fieldValue(fields, 'retry-after') ?? '', 10);
  return Number.isNaN(seconds) ? SATURATED_MS : Math.min(LONGEST_SATURATED_MS, Math.max(SATURATED_MS, seconds * 1000));
}
