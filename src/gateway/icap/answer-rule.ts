import { fieldValue } from '../../icap/field.ts';
import type { ResponseHead } from '../../icap/response-head.ts';
import type { AttemptFailure } from '../../policy/retry-rule.ts';

/** Where a 503 does not say how long. */
const SATURATED_MS = 1_000;
const LONGEST_SATURATED_MS = 5_000;

/** What an answer's status says against its backend; undefined: nothing, or nothing that another one would do better. */
export function failureOfStatus(status: number, isReused: boolean): AttemptFailure | undefined {
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
export function isUnmodified({ status, encapsulated }: ResponseHead): boolean {
  if (status === 204) return true;
  return status === 200 && encapsulated.body === 'null-body' && encapsulated.headers.every(({ bytes }) => bytes === 0);
}

/** How long a backend that answered 503 wants to be left alone. */
export function retryAfterMs({ fields }: ResponseHead): number {
  const seconds = Number.parseInt(fieldValue(fields, 'retry-after') ?? '', 10);
  return Number.isNaN(seconds) ? SATURATED_MS : Math.min(LONGEST_SATURATED_MS, Math.max(SATURATED_MS, seconds * 1000));
}
