import type { AddressedMember } from '../../health/membership.ts';
import { type AttemptFailure, decideRetry, type RetryDecision } from '../../policy/retry-rule.ts';
import type { Attempt } from './attempt.ts';
import type { FailedAttempt } from './backend-ledger.ts';
import type { ClientRequest } from './client-request.ts';
import type { IcapContext } from './icap-context.ts';
import type { TransactionRecord } from './transaction-record.ts';

/** A backend that works on a request for longer before it breaks off has read it. */
const STALE_MS = 1_000;

/** What becomes of the failed attempts of one transaction: whether there is another one, and who is told. */
export class AttemptFailures {
  /** Answers with a 5xx other than 503 so far. */
  errorCount = 0;
  readonly #context: IcapContext;
  readonly #request: ClientRequest;
  readonly #record: TransactionRecord;

  constructor(context: IcapContext, request: ClientRequest, record: TransactionRecord) {
    this.#context = context;
    this.#request = request;
    this.#record = record;
  }

  decide(failure: AttemptFailure): RetryDecision {
    const facts = { isRetained: this.#request.store.isWhole, errorCount: this.errorCount };
    return decideRetry(this.#context.service.config.icap.retry, failure, facts);
  }

  /** Counts a failed attempt and logs it. */
  tell(member: AddressedMember, failed: Omit<FailedAttempt, 'names'>): void {
    const { service, connection, transaction, correlation } = this.#record.names();
    const { method, route } = this.#request;
    const names = { service, connection, transaction, correlation, method, path: route.path };
    const reason = this.#context.ledger.failed(member, { ...failed, names });
    if (failed.next) this.#record.retried(reason);
  }
}

/**
 * Whether the backend had closed a kept connection before it read the request: it lost a race, and did nothing wrong.
 */
export function isStale({ connection, sentAtMs }: Attempt): boolean {
  if (!connection.isReused || connection.hasReceived) return false;
  return sentAtMs === undefined || performance.now() - sentAtMs < STALE_MS;
}
