import { describe, expect, test } from 'vitest';
import { parseFields } from '../../src/icap/field.ts';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import { STRICT } from '../../src/icap/profile.ts';
import { type TraceContext, traceContextOf, traceLines } from '../../src/observe/trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

function contextFor(lines: readonly string[], sample = 1): TraceContext {
  const text = `${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
  return traceContextOf(parseFields(text, 0, 0, STRICT, DEFAULT_ICAP_LIMITS), sample);
}

describe('a trace of the client', () => {
  test('is gone on with, under a number of our own', () => {
    const context = contextFor([`traceparent: 00-${TRACE}-${SPAN}-01`, 'tracestate: a=1', 'Tracestate: b=2'], 0);
    expect(context).toMatchObject({ traceId: TRACE, parentId: SPAN, state: 'a=1,b=2', isSampled: true });
    expect(context.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(context.spanId).not.toBe(SPAN);
    expect(traceLines(context)).toBe(`traceparent: 00-${TRACE}-${context.spanId}-01\r\ntracestate: a=1,b=2\r\n`);
  });

  test('is not exported where the client does not want it, whatever the ratio', () => {
    const context = contextFor([`traceparent: 00-${TRACE}-${SPAN}-00`], 1);
    expect(context).toMatchObject({ traceId: TRACE, isSampled: false });
    expect(traceLines(context)).toBe(`traceparent: 00-${TRACE}-${context.spanId}-00\r\n`);
  });

  test('of a later version is read as far as it is known, and unknown flags are not passed on', () => {
    const context = contextFor([`traceparent: 01-${TRACE}-${SPAN}-ff-more`]);
    expect(context.parentId).toBe(SPAN);
    expect(traceLines(context)).toContain(`traceparent: 00-${TRACE}-${context.spanId}-01\r\n`);
  });

  test.each([
    [`traceparent: 00-${TRACE}-${SPAN}-01-more`],
    [`traceparent: ff-${TRACE}-${SPAN}-01`],
    [`traceparent: 00-${'0'.repeat(32)}-${SPAN}-01`],
    [`traceparent: 00-${TRACE}-${'0'.repeat(16)}-01`],
    [`traceparent: 00-${TRACE.toUpperCase()}-${SPAN}-01`],
    [`traceparent: 00-${TRACE}-${SPAN}`],
    ['traceparent: '],
    [`traceparent: 00-${TRACE}-${SPAN}-01`, `traceparent: 00-${TRACE}-${SPAN}-01`],
  ])('that is malformed is none, nor is what goes with it: %s %s', (...lines) => {
    const context = contextFor([...lines.filter((line) => line !== undefined), 'tracestate: a=1']);
    expect(context).toMatchObject({ parentId: undefined, state: undefined });
    expect(context.traceId).not.toBe(TRACE);
  });

  test.each(['tracestate: ', `tracestate: a=${'x'.repeat(511)}`, 'tracestate: a=\xe9'])(
    'loses a state that cannot go on: %s',
    (line) => {
      expect(contextFor([`traceparent: 00-${TRACE}-${SPAN}-01`, line])).toMatchObject({
        parentId: SPAN,
        state: undefined,
      });
    },
  );
});

describe('a trace that begins here', () => {
  test('has ids of its own', () => {
    const ids = Array.from({ length: 100 }, () => contextFor([]).traceId);
    expect(new Set(ids).size).toBe(100);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });

  test('is exported as often as the ratio says', () => {
    const part = (sample: number): number =>
      Array.from({ length: 2000 }, () => contextFor([], sample)).filter(({ isSampled }) => isSampled).length / 2000;
    expect([part(0), part(1)]).toEqual([0, 1]);
    expect(part(0.25)).toBeGreaterThan(0.15);
    expect(part(0.25)).toBeLessThan(0.35);
  });
});
