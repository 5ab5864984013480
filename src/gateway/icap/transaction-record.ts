import type { AddressedMember } from '../../health/membership.ts';
import type { Section } from '../../icap/encapsulated.ts';
import { fieldValue } from '../../icap/field.ts';
import { httpRequestLine } from '../../icap/http-head.ts';
import type { RequestHead } from '../../icap/request-head.ts';
import { formatIcapUri } from '../../icap/uri.ts';
import { decodeUser } from '../../icap/user.ts';
import type { SquidColumns } from '../../observe/access-record.ts';
import type { TransactionNames } from '../../observe/icap-log-event.ts';
import { type ContentMethod, icapMethodOf, type RetryReason } from '../../observe/labels.ts';
import { loggableHeaders } from '../../observe/redaction.ts';
import type { TraceContext } from '../../observe/trace-context.ts';
import type { Client } from '../client.ts';
import type { ServiceContext } from '../context.ts';
import type { AnswerRelay } from './answer-relay.ts';
import type { Correlation } from './correlation.ts';
import type { IcapContext } from './icap-context.ts';
import type { Outcome } from './outcome.ts';

/** Collects what is told of one request once it is over. */
export class TransactionRecord {
  readonly startedMs: number = performance.now();
  member: AddressedMember | undefined;
  attempts = 0;
  retryReason: RetryReason | undefined;
  status: number | undefined;
  istag: string | undefined;
  /** The backend's answer, where one was passed on. */
  answer: AnswerRelay | undefined;
  bytesIn = 0;
  readonly correlation: Correlation;
  readonly #service: ServiceContext;
  readonly #client: Client;
  readonly #head: RequestHead;
  /** Counts the requests of the connection. */
  readonly #number: number;
  readonly #bytesOutBefore: number;
  #firstByteMs: number | undefined;
  #isTold = false;

  constructor({ service, correlator }: IcapContext, client: Client, head: RequestHead, bytesOutBefore: number) {
    this.correlation = correlator.correlate(head);
    this.#number = client.countRequest();
    this.#service = service;
    this.#client = client;
    this.#head = head;
    this.#bytesOutBefore = bytesOutBefore;
  }

  /** For events of the log. */
  names(): ReturnType<Client['names']> & TransactionNames {
    return { ...this.#client.names(), transaction: this.#id, correlation: this.correlation.id };
  }

  /** A backend is sent the request. */
  asked(member: AddressedMember): void {
    this.attempts += 1;
    this.member = member;
  }

  /** A final answer begins. `member` is undefined where the gateway gives it. */
  answered(status: number, member: AddressedMember | undefined, istag: string | undefined): void {
    const { counters, index } = this.#service;
    this.status = status;
    this.istag = istag;
    this.member = member;
    this.#firstByteMs = performance.now() - this.startedMs;
    counters.icapAnswered(index, icapMethodOf(this.#head.method), member?.backend, status);
  }

  retried(reason: RetryReason): void {
    this.retryReason = reason;
    this.#service.counters.icapRetried(this.#service.index, reason);
  }

  /** Tells counters and access log; only the first call counts. */
  over(outcome: Outcome, sections: readonly Section[], bytesOut: number): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const { counters, index, events } = this.#service;
    const ms = performance.now() - this.startedMs;
    const { method } = this.#head;
    if (outcome.verdict !== undefined && isContentMethod(method)) {
      counters.icapFinished(index, method, outcome.verdict, ms / 1000);
    }
    if (outcome.rule !== undefined) counters.icapBypassed(index, outcome.rule);
    if (events.accessEnabled) this.#tellAccess(outcome, sections, bytesOut, ms);
    if (this.correlation.trace?.isSampled === true) this.#tellSpan(this.correlation.trace, outcome, bytesOut, ms);
  }

  #tellAccess(outcome: Outcome, sections: readonly Section[], bytesOut: number, ms: number): void {
    const { events, config } = this.#service;
    const { method, uri, fields, preview } = this.#head;
    const request = sections.find(({ part }) => part === 'req-hdr')?.bytes;
    const line = request === undefined ? undefined : httpRequestLine(request);
    events.access({
      kind: 'icap',
      timeMs: Date.now(),
      service: config.name,
      connection: this.#client.id,
      client: this.#client.peer.text,
      tls: this.#client.version,
      subject: this.#client.identity().subject,
      backend: this.member?.backendName,
      bytesIn: this.bytesIn,
      bytesOut: bytesOut - this.#bytesOutBefore,
      ms: Math.round(ms),
      reason: outcome.reason,
      transaction: this.#id,
      correlation: this.correlation.id,
      method,
      path: `${uri.path}${uri.query}`,
      http: line === undefined ? undefined : `${line.method} ${line.target}`,
      status: this.status,
      httpStatus: outcome.httpStatus,
      verdict: outcome.verdict,
      threat: outcome.threat,
      user: decodeUser(fields),
      clientIp: fieldValue(fields, 'x-client-ip'),
      attempt: this.attempts,
      retryReason: this.retryReason,
      preview,
      msToFirstByte: this.#firstByteMs === undefined ? undefined : Math.round(this.#firstByteMs),
      istag: this.istag,
      squid: events.squidEnabled ? this.#squidColumns() : undefined,
    });
  }

  #tellSpan(trace: TraceContext, outcome: Outcome, bytesOut: number, durationMs: number): void {
    const { events, config } = this.#service;
    events.span({
      ...trace,
      endMs: Date.now(),
      durationMs,
      service: config.name,
      transaction: this.#id,
      correlation: this.correlation.id,
      method: this.#head.method,
      path: this.#head.uri.path,
      tls: this.#client.version,
      backend: this.member?.backendName,
      status: this.status,
      httpStatus: outcome.httpStatus,
      verdict: outcome.verdict,
      reason: outcome.reason,
      threat: outcome.threat,
      attempts: this.attempts,
      retryReason: this.retryReason,
      bytesIn: this.bytesIn,
      bytesOut: bytesOut - this.#bytesOutBefore,
    });
  }

  get #id(): string {
    return `${this.#client.id}-${this.#number}`;
  }

  #squidColumns(): SquidColumns {
    return {
      uri: formatIcapUri(this.#head.uri),
      requestHeaders: loggableHeaders(this.#head.fields),
      responseHeaders: loggableHeaders(this.answer?.head.fields ?? []),
      responseBodyBytes: this.answer?.bodyBytes,
    };
  }
}

function isContentMethod(method: string): method is ContentMethod {
  return method === 'REQMOD' || method === 'RESPMOD';
}
