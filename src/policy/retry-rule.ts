import type { RetryPolicy } from '../config/icap-config.ts';

/** How an attempt on one backend failed, before any byte of a final answer reached the client. */
export type AttemptFailure =
  /** No connection could be opened: nothing was sent. */
  | 'connect'
  /** A pooled connection turned out to be dead: nobody has read the request, as a rule. */
  | 'stale'
  /** The connection broke before an answer. */
  | 'closed'
  /** What came is not ICAP. */
  | 'malformed'
  /** 503: the backend is alive and full. */
  | 'saturated'
  /** Another 5xx. */
  | '5xx'
  /** 404 or 405: the backend does not offer the path, or not for this method. */
  | 'path'
  /** No answer to the preview in time. */
  | 'preview-timeout'
  /** No answer to the whole request in time: the scan may still be running. */
  | 'timeout';

export interface RetryFacts {
  /** Whether everything the client sent so far can be sent again. */
  readonly isRetained: boolean;
  /** How many attempts have ended in a 5xx other than 503, this one included. */
  readonly errorCount: number;
}

/** `same`: the same backend over a new connection. */
export type RetryDecision = 'same' | 'other' | 'no';

const RANK: Readonly<Record<RetryPolicy, number>> = { never: 0, connect: 1, 'pre-response': 2, '5xx': 3 };

/** The least policy under which a failure is tried again on another backend. */
const NEEDED: Readonly<Record<Exclude<AttemptFailure, 'stale' | 'timeout'>, RetryPolicy>> = {
  connect: 'connect',
  closed: 'pre-response',
  malformed: 'pre-response',
  saturated: 'pre-response',
  path: 'pre-response',
  'preview-timeout': 'pre-response',
  '5xx': '5xx',
};

/**
 * Whether a failed attempt may be followed by another one. The caller has made sure that the client has not seen a byte
 * of a final answer, and looks for a backend that was not tried yet.
 */
export function decideRetry(policy: RetryPolicy, failure: AttemptFailure, facts: RetryFacts): RetryDecision {
  if (!facts.isRetained) return 'no';
  // The backend closed an idle connection while the request was on its way: that costs nobody anything.
  if (failure === 'stale') return 'same';
  // The scan may be running: a second one doubles the load and the incident.
  if (failure === 'timeout') return 'no';
  if (failure === '5xx' && facts.errorCount > 1) return 'no';
  return RANK[policy] >= RANK[NEEDED[failure]] ? 'other' : 'no';
}
