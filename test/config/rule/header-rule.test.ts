import { describe, expect, test } from 'vitest';
import { problemsOf, readConfig, serviceText } from '../../_util/config-text.ts';

function headers(text: string): readonly string[] {
  return problemsOf({ protocol: 'icap', extra: `headers: { ${text} }` });
}

describe('headers.correlation', () => {
  test.each(['X-Request-ID', 'x-correlation-id', 'Request_Id'])('takes %s', (name) => {
    expect(headers(`correlation: ${name}`)).toEqual([]);
  });

  test.each(['Host', 'istag', 'Encapsulated', 'X-Client-IP', 'traceparent', 'Authorization'])(
    'does not take %s, which means something else',
    (name) => {
      expect(headers(`correlation: ${name}`)).toEqual([
        `8 error: services[0].headers.correlation: ${name} has a meaning of its own; use another header such as X-Request-ID`,
      ]);
    },
  );

  test.each([
    ['set: { x-id: a }', 'set.x-id', 'x-id'],
    ['strip: [X-ID]', 'strip', 'X-ID'],
    ['map: { X-Id: X-A }', 'map.X-Id', 'X-Id'],
    ['map: { X-A: X-Id }', 'map.X-A', 'X-Id'],
  ])('is written by nobody else: %s', (text, key, name) => {
    expect(headers(`correlation: X-Id, ${text}`)).toEqual([
      `8 error: services[0].headers.${key}: ${name} is written by the gateway itself, because of headers.correlation; remove it here`,
    ]);
  });
});

describe('while requests are traced', () => {
  const tracing = 'tracing: { otlp: "http://127.0.0.1:4318" }\n';
  const traced = (extra: string): readonly string[] =>
    readConfig(serviceText({ protocol: 'icap', extra }) + tracing).problems;

  test.each([
    ['set: { Traceparent: a }', 'set.Traceparent', 'Traceparent'],
    ['strip: tracestate', 'strip', 'tracestate'],
    ['map: { X-Trace: traceparent }', 'map.X-Trace', 'traceparent'],
  ])('%s is for the gateway alone', (text, key, name) => {
    expect(headers(text)).toEqual([]);
    expect(traced(`headers: { ${text} }`)).toEqual([
      `8 error: services[0].headers.${key}: ${name} is written by the gateway itself, because of tracing.otlp; remove it here`,
    ]);
  });

  test('somebody must speak ICAP', () => {
    expect(traced('')).toEqual([]);
    expect(readConfig(serviceText() + tracing).problems).toEqual([
      '8 warning: tracing: has no effect: no service has protocol: icap',
    ]);
  });
});
