import { describe, expect, test } from 'vitest';
import { createCorrelator } from '../../../src/gateway/icap/correlation.ts';
import { DEFAULT_ICAP_LIMITS } from '../../../src/icap/limits.ts';
import { STRICT } from '../../../src/icap/profile.ts';
import { parseRequestHead, type RequestHead } from '../../../src/icap/request-head.ts';

function headWith(...fields: readonly string[]): RequestHead {
  const lines = ['OPTIONS icap://gw/x ICAP/1.0', ...fields, '', ''];
  return parseRequestHead(Buffer.from(lines.join('\r\n'), 'latin1'), 0, STRICT, DEFAULT_ICAP_LIMITS);
}

describe('requests', () => {
  test('get nothing, and nothing is made for them, unless it is asked for', () => {
    const { ownFields, correlate } = createCorrelator(undefined, undefined);
    expect(ownFields).toEqual([]);
    expect(correlate(headWith('X-Request-ID: a'))).toBe(correlate(headWith()));
    expect(correlate(headWith())).toEqual({
      id: undefined,
      trace: undefined,
      requestLines: '',
      answerField: undefined,
    });
  });

  test('get an id in the spelling of the configuration', () => {
    const { ownFields, correlate } = createCorrelator('X-Request-ID', undefined);
    expect(ownFields).toEqual(['X-Request-ID']);
    expect(correlate(headWith('X-REQUEST-ID: a'))).toEqual({
      id: 'a',
      trace: undefined,
      requestLines: 'X-Request-ID: a\r\n',
      answerField: { key: 'x-request-id', line: 'X-Request-ID: a\r\n' },
    });
  });

  test.each([
    ['is as long as an id may be', [`X-Id: ${'a'.repeat(128)}`]],
    ['stands among others', ['X-Other: b', `X-Id: ${'a'.repeat(128)}`, 'X-Third: c']],
  ])('keep the id of the client that %s', (_, fields) => {
    expect(createCorrelator('X-Id', undefined).correlate(headWith(...fields)).id).toBe('a'.repeat(128));
  });

  test.each([
    ['none came', []],
    ['it is too long', [`X-Id: ${'a'.repeat(129)}`]],
    ['it is empty', ['X-Id:']],
    ['it is no token', ['X-Id: a b']],
    ['two came', ['X-Id: a', 'x-id: b']],
    ['the same came twice', ['X-Id: a', 'X-Id: a']],
  ])('get a new id where %s', (_, fields) => {
    const { correlate } = createCorrelator('X-Id', undefined);
    const { id, requestLines } = correlate(headWith(...fields));
    expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(requestLines).toBe(`X-Id: ${id}\r\n`);
    expect(correlate(headWith(...fields)).id).not.toBe(id);
  });

  test('get a place in a trace that the client does not hear of', () => {
    const { ownFields, correlate } = createCorrelator(undefined, 1);
    expect(ownFields).toEqual(['traceparent', 'tracestate']);
    const { trace, requestLines, answerField } = correlate(headWith());
    expect(requestLines).toBe(`traceparent: 00-${trace?.traceId}-${trace?.spanId}-01\r\n`);
    expect(answerField).toBeUndefined();
  });

  test('get both', () => {
    const { ownFields, correlate } = createCorrelator('X-Id', 0);
    expect(ownFields).toEqual(['X-Id', 'traceparent', 'tracestate']);
    expect(correlate(headWith('X-Id: a')).requestLines).toMatch(/^X-Id: a\r\ntraceparent: 00-.*-00\r\n$/);
  });

  test('cannot be given a header that breaks out of its line', () => {
    expect(() => createCorrelator('X: a\r\nY', undefined)).toThrow(TypeError);
  });
});
