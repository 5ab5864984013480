import type { FailPolicy } from '../../config/icap-config.ts';
import { may204 } from '../../icap/legality.ts';
import type { BackendExchange } from './backend-exchange.ts';
import type { ClientRequest } from './client-request.ts';
import { type ClientSink, Drain, Echo } from './client-sink.ts';
import type { IcapContext } from './icap-context.ts';
import { type AnswerSource, LocalReply } from './local-reply.ts';
import type { Outcome } from './outcome.ts';
import type { TransactionHost } from './transaction-host.ts';
import type { TransactionRecord } from './transaction-record.ts';

/** Which policy answers when no backend does. */
export type PolicyCause = 'when-down' | 'on-timeout' | 'on-oversize';

export interface OwnAnswerHandlers {
  /** What became of the content; told once. */
  readonly onTold: (outcome: Outcome) => void;
  /** The client has its answer and has sent all. `close`: it has not, and is not waited for. */
  readonly onDone: (close: boolean) => void;
  /** A backend that has answered, and may still take what the client sends. */
  readonly exchange: () => BackendExchange | undefined;
}

/** Ends a transaction from the gateway's side: by a rule, by a policy, or because the backend's answer is whole. */
export class OwnAnswer {
  readonly #context: IcapContext;
  readonly #host: TransactionHost;
  readonly #request: ClientRequest;
  readonly #record: TransactionRecord;
  readonly #handlers: OwnAnswerHandlers;
  readonly #reply: LocalReply;
  #sink: ClientSink | undefined;

  constructor(
    context: IcapContext,
    host: TransactionHost,
    request: ClientRequest,
    record: TransactionRecord,
    handlers: OwnAnswerHandlers,
  ) {
    this.#context = context;
    this.#host = host;
    this.#request = request;
    this.#record = record;
    this.#handlers = handlers;
    this.#reply = new LocalReply(context, host, request, record);
  }

  /** Where what the client still sends goes from now on; undefined while it goes to a backend. */
  get sink(): ClientSink | undefined {
    return this.#sink;
  }

  /** Answers by policy: no backend does. */
  apply(cause: PolicyCause, policy: FailPolicy, status: number, detail: string): void {
    const { method, route } = this.#request;
    const { events } = this.#context.service;
    events.log('icap-policy', { ...this.#record.names(), method, path: route.path, policy, cause: detail });
    switch (policy) {
      case 'bypass':
        this.letPass({ verdict: 'bypassed', reason: cause, rule: cause });
        break;
      case 'block':
        this.block(cause, detail);
        break;
      case 'error':
        this.status(status, { verdict: 'error', reason: cause });
        break;
      case 'reset':
        this.#handlers.onTold({ verdict: 'error', reason: cause });
        this.#host.abort('policy');
        break;
    }
  }

  /** Tells the client to use what it has: with a 204 where it permits that, else by giving it back. */
  letPass(outcome: Outcome): void {
    const { phase, ending, store, isPreview } = this.#request;
    if (may204(phase)) {
      const answer = (): void => this.status(204, outcome);
      // squid does not survive a 204 while it sends.
      if (ending === undefined && !isPreview) this.#drain(false, answer);
      else answer();
    } else if (store.isWhole) {
      this.#echo(outcome);
    } else {
      // What a backend swallowed and nobody kept cannot be given back.
      this.status(502, { verdict: 'error', reason: outcome.reason });
    }
  }

  #echo(outcome: Outcome): void {
    this.#reply.startEcho(sourceOf(outcome));
    const sink = new Echo(this.#host, this.#reply, () => {
      this.#handlers.onTold(outcome);
      this.#handlers.onDone(false);
    });
    this.#listen(sink);
    if (this.#request.ending !== undefined) sink.endBody();
    else if (this.#host.flush()) this.#host.resumeReading();
  }

  /** Answers with a page in place of the content; `detail` is for whoever reads it. */
  block(reason: string, detail: string, threat?: string): void {
    this.#reply.block(detail);
    this.#handlers.onTold({ verdict: 'blocked', reason, httpStatus: 403, threat });
    this.finish();
  }

  /** Answers with a status alone. An error ends the connection where the client is still sending. */
  status(status: number, outcome: Outcome): void {
    const isSending = this.#request.ending === undefined;
    this.#reply.status(status, isSending, sourceOf(outcome));
    this.#handlers.onTold(outcome);
    this.#handlers.onDone(isSending);
  }

  /** The client has its answer. One that still sends may finish, within bounds. */
  finish(): void {
    if (this.#request.ending !== undefined) this.#handlers.onDone(false);
    else this.#drain(true, (isTooMuch) => this.#handlers.onDone(isTooMuch));
  }

  #drain(isAnswered: boolean, onEnd: (isTooMuch: boolean) => void): void {
    this.#listen(new Drain(this.#host, this.#handlers.exchange(), isAnswered, onEnd));
    this.#host.resumeReading();
  }

  #listen(sink: ClientSink): void {
    this.#sink = sink;
  }
}

/** Only a backend lets content pass as allowed; what the gateway lets pass is bypassed. */
function sourceOf({ verdict }: Outcome): AnswerSource {
  return verdict === 'allowed' ? 'backend' : 'gateway';
}
