import { judge } from '../../icap/verdict.ts';
import type { BypassRuleLabel, VerdictLabel } from '../../observe/labels.ts';
import type { AnswerRelay } from './answer-relay.ts';
import type { ClientRequest } from './client-request.ts';

/** How a transaction ended, as metrics and the access log tell it. */
export interface Outcome {
  readonly verdict: VerdictLabel | undefined;
  /** Why it was answered as it was: `backend`, a rule, a policy, what went wrong. */
  readonly reason: string;
  readonly httpStatus?: number | undefined;
  readonly threat?: string | undefined;
  readonly rule?: BypassRuleLabel | undefined;
}

/** What a backend's whole answer makes of the content. */
export function outcomeOf({ method, sections, store, ending }: ClientRequest, answer: AnswerRelay): Outcome {
  const { head, status, bodyBytes, hasBody } = answer;
  const isComparable = ending !== undefined && hasBody && status !== 206;
  const judgement = judge({
    method,
    sent: sections,
    status: head.status,
    fields: head.fields,
    received: answer.sections,
    bodyChanged: isComparable && bodyBytes !== store.receivedBytes ? true : undefined,
  });
  return { ...judgement, reason: 'backend' };
}
