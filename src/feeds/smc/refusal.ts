import type { SmcOperation } from '../../observe/feed-tally.ts';
import { smcMessage } from './smc-answer.ts';
import type { SmcReply } from './smc-client.ts';
import { SmcError, type SmcRemedy } from './smc-error.ts';

/** Beyond it nobody would notice that an SMC can be reached again. */
const LONGEST_RETRY_AFTER_MS = 60 * 60 * 1000;
/** RFC 9110 10.2.3; what the SMC's client waits for too. */
const BUSY: ReadonlySet<number> = new Set([408, 409, 429]);

/** The error for an answer that is not a success. `secrets` stand nowhere in its text, even if the SMC quotes them. */
export function refusalOf(
  operation: SmcOperation,
  reply: SmcReply,
  nowMs: number,
  secrets: readonly string[],
): SmcError {
  const { status, headers, body } = reply;
  const message = smcMessage(body, secrets);
  return new SmcError({
    detail: `${operation}: it answered ${status}${message === undefined ? '' : ` (${message})`}`,
    remedy: remedyOf(operation, status),
    retryAfterMs: retryAfterOf(headers['retry-after'], nowMs),
    status,
  });
}

function remedyOf(operation: SmcOperation, status: number): SmcRemedy {
  if (status === 401 || (operation === 'login' && status === 403)) return 'credential';
  if (status === 413) return 'fewer';
  // Redirects are not followed: the session would go to where nobody configured it to go.
  if (status < 400 || status >= 500 || BUSY.has(status)) return 'wait';
  return 'nothing';
}

/** RFC 9110 10.2.3: seconds, or a date. Undefined for anything else. */
function retryAfterOf(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const waitMs = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return waitMs > 0 ? Math.min(waitMs, LONGEST_RETRY_AFTER_MS) : undefined;
}
