import type { AddressedMember } from '../../health/membership.ts';
import type { TransactionNames } from '../../observe/icap-log-event.ts';
import type { RetryReason } from '../../observe/labels.ts';
import type { AttemptFailure } from '../../policy/retry-rule.ts';
import type { ServiceContext } from '../context.ts';

/** `local`: this machine could not open a connection. */
type Failure = AttemptFailure | 'local';

export interface FailedAttempt {
  readonly failure: Failure;
  /** Of the transaction, for the log. */
  readonly names: TransactionNames & {
    readonly service: string;
    readonly connection: number;
    readonly method: string;
    readonly path: string;
  };
  readonly detail: string;
  /** Whether the request is sent once more. */
  readonly next: boolean;
  /** How long a saturated backend is to be left alone. */
  readonly pauseMs?: number | undefined;
}

const BLAMELESS: ReadonlySet<Failure> = new Set(['stale', 'path', 'local']);

const REASONS: Readonly<Record<Failure, RetryReason>> = {
  connect: 'connect',
  local: 'connect',
  stale: 'stale',
  closed: 'closed',
  malformed: 'malformed',
  saturated: 'saturated',
  '5xx': '5xx',
  path: 'path',
  'preview-timeout': 'timeout',
  timeout: 'timeout',
};

/** What transactions find out about backends, for everybody who chooses one. */
export class BackendLedger {
  readonly #service: ServiceContext;

  constructor(service: ServiceContext) {
    this.#service = service;
  }

  /** Milliseconds on a clock that all threads share. */
  nowMs(): number {
    return performance.timeOrigin + performance.now();
  }

  /** Gives lowered limits back by and by, also where one slow answer keeps all others waiting. Call it now and then. */
  recover(): void {
    const { pool } = this.#service;
    const nowMs = this.nowMs();
    for (let slot = 0; slot < pool.slots; slot += 1) {
      if (pool.stateOf(slot) === 'up' && !pool.isPaused(slot, nowMs)) pool.recordAnswer(slot, nowMs);
    }
  }

  succeeded({ slot }: AddressedMember): void {
    const { pool } = this.#service;
    pool.recordSuccess(slot);
    pool.recordAnswer(slot, this.nowMs());
  }

  /** An attempt failed: counts it against the backend as far as it is to blame, and tells the log. Returns the label for it. */
  failed(member: AddressedMember, { failure, names, detail, next, pauseMs = 0 }: FailedAttempt): RetryReason {
    const { pool, events } = this.#service;
    if (failure === 'saturated') pool.recordSaturation(member.slot, this.nowMs(), pauseMs);
    else if (!BLAMELESS.has(failure)) this.blame(member);
    const { backendName: backend, addressText: address } = member;
    const reason = REASONS[failure];
    events.log('icap-attempt-failed', { ...names, backend, address, reason, detail, next });
    return reason;
  }

  /** Failures in a row, often enough, make the control plane look at it. */
  blame({ slot }: AddressedMember): void {
    const { pool, config, onFailures } = this.#service;
    const streak = pool.recordFailure(slot);
    const { consecutiveFailures } = config.outliers;
    if (consecutiveFailures > 0 && streak >= consecutiveFailures) onFailures(slot);
  }
}
