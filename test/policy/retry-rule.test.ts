import { describe, expect, test } from 'vitest';
import type { RetryPolicy } from '../../src/config/icap-config.ts';
import { type AttemptFailure, decideRetry, type RetryDecision } from '../../src/policy/retry-rule.ts';

const POLICIES: readonly RetryPolicy[] = ['never', 'connect', 'pre-response', '5xx'];
/** What each policy decides, in the order of `POLICIES`: the table in docs/icap.md. */
const DECISIONS: readonly (readonly [AttemptFailure, readonly RetryDecision[]])[] = [
  ['stale', ['same', 'same', 'same', 'same']],
  ['connect', ['no', 'other', 'other', 'other']],
  ['closed', ['no', 'no', 'other', 'other']],
  ['malformed', ['no', 'no', 'other', 'other']],
  ['saturated', ['no', 'no', 'other', 'other']],
  ['path', ['no', 'no', 'other', 'other']],
  ['preview-timeout', ['no', 'no', 'other', 'other']],
  ['5xx', ['no', 'no', 'no', 'other']],
  ['timeout', ['no', 'no', 'no', 'no']],
];

describe('a request that can be sent again', () => {
  test.each(DECISIONS)('after %s', (failure, decisions) => {
    const facts = { isRetained: true, errorCount: failure === '5xx' ? 1 : 0 };
    expect(POLICIES.map((policy) => decideRetry(policy, failure, facts))).toEqual(decisions);
  });

  test('is tried once after a server error, and may meet another failure then', () => {
    expect(decideRetry('5xx', '5xx', { isRetained: true, errorCount: 2 })).toBe('no');
    expect(decideRetry('5xx', 'closed', { isRetained: true, errorCount: 2 })).toBe('other');
  });
});

test.each(DECISIONS)('a request of which bytes are gone is not sent again after %s', (failure) => {
  const facts = { isRetained: false, errorCount: 1 };
  expect(POLICIES.map((policy) => decideRetry(policy, failure, facts))).toEqual(['no', 'no', 'no', 'no']);
});
