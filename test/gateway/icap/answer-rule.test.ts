import { describe, expect, test } from 'vitest';
import { failureOfStatus, isUnmodified, retryAfterMs } from '../../../src/gateway/icap/answer-rule.ts';
import { DEFAULT_ICAP_LIMITS } from '../../../src/icap/limits.ts';
import { LENIENT } from '../../../src/icap/profile.ts';
import { parseResponseHead, type ResponseHead } from '../../../src/icap/response-head.ts';

function answer(...lines: readonly string[]): ResponseHead {
  const block = Buffer.from([...lines, '', ''].join('\r\n'), 'latin1');
  return parseResponseHead(block, 0, 'RESPMOD', LENIENT, DEFAULT_ICAP_LIMITS);
}

describe('what a status says against the backend', () => {
  test.each([
    [100, undefined],
    [200, undefined],
    [204, undefined],
    [400, undefined],
    [403, undefined],
    [404, 'path'],
    [405, 'path'],
    [499, undefined],
    [500, '5xx'],
    [501, undefined],
    [502, '5xx'],
    [503, 'saturated'],
    [504, '5xx'],
    [505, undefined],
    [599, '5xx'],
  ])('%i: %s', (status, failure) => {
    expect(failureOfStatus(status, false)).toBe(failure);
    expect(failureOfStatus(status, true)).toBe(failure);
  });

  test('a 408 is about the connection where it has served before', () => {
    expect(failureOfStatus(408, true)).toBe('stale');
    expect(failureOfStatus(408, false)).toBeUndefined();
  });
});

describe('"no modification" is', () => {
  test.each([
    ['a 204', ['ICAP/1.0 204 No Content'], true],
    ['a 200 with nothing', ['ICAP/1.0 200 OK', 'Encapsulated: null-body=0'], true],
    ['a 200 with an empty header block', ['ICAP/1.0 200 OK', 'Encapsulated: res-hdr=0, null-body=0'], true],
    ['not a 200 with a header block', ['ICAP/1.0 200 OK', 'Encapsulated: res-hdr=0, null-body=19'], false],
    ['not a 200 with a body', ['ICAP/1.0 200 OK', 'Encapsulated: res-body=0'], false],
    ['not a 206 with nothing', ['ICAP/1.0 206 Partial Content', 'Encapsulated: null-body=0'], false],
    ['not an error', ['ICAP/1.0 404 Not Found'], false],
  ])('%s', (_, lines, expected) => {
    expect(isUnmodified(answer(...lines))).toBe(expected);
  });
});

describe('a backend that is full is left alone for', () => {
  test.each([
    [undefined, 1_000],
    ['', 1_000],
    ['soon', 1_000],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 1_000],
    ['-3', 1_000],
    ['0', 1_000],
    ['1', 1_000],
    ['2', 2_000],
    ['5', 5_000],
    ['6', 5_000],
    ['99999999999999999999', 5_000],
  ])('Retry-After %j: %i ms', (value, ms) => {
    const fields = value === undefined ? [] : [`Retry-After: ${value}`];
    expect(retryAfterMs(answer('ICAP/1.0 503 Overloaded', ...fields))).toBe(ms);
  });
});
