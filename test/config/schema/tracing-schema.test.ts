import { expect, test } from 'vitest';
import type { TracingConfig } from '../../../src/config/config.ts';
import { readConfig, serviceText } from '../../_util/config-text.ts';

const SERVICE = serviceText({ protocol: 'icap' });

function tracingOf(text: string): TracingConfig | undefined {
  return readConfig(`${SERVICE}tracing: ${text}\n`).config?.tracing;
}

function problemsOf(text: string): readonly string[] {
  return readConfig(`${SERVICE}tracing: ${text}\n`).problems;
}

test('nothing is traced unless a collector is named', () => {
  expect(readConfig(SERVICE).config?.tracing).toEqual({ otlp: undefined, sample: 1 });
  expect(tracingOf('{ otlp: off }')).toEqual({ otlp: undefined, sample: 1 });
});

test.each([
  ['http://127.0.0.1:4318', 'http://127.0.0.1:4318'],
  ['https://otel.example/', 'https://otel.example'],
  ['http://[::1]:4318/otlp/', 'http://[::1]:4318/otlp'],
])('%s is a collector', (written, otlp) => {
  expect(tracingOf(`{ otlp: "${written}", sample: 0.25 }`)).toEqual({ otlp, sample: 0.25 });
});

test.each([
  ['127.0.0.1:4318', 'write http://127.0.0.1:4318'],
  ['http://127.0.0.1:4318/v1/traces', 'leave out /v1/traces'],
  ['grpc://127.0.0.1:4317', '4317 is for gRPC; write the port for HTTP, 4318'],
  ['http://user:pw@otel.example', 'leave out the credentials; an OpenTelemetry collector on this machine can add them'],
])('%s is none: %s', (written, hint) => {
  expect(problemsOf(`{ otlp: "${written}" }`)).toEqual([
    expect.stringMatching(/^8 error: tracing\.otlp: must be .*; /),
  ]);
  expect(problemsOf(`{ otlp: "${written}" }`)[0]).toContain(hint);
});

test.each(['""', '[]', '4318', 'ftp://h', 'http://h?x=1'])('nor is %s', (written) => {
  expect(problemsOf(`{ otlp: ${written} }`)).toEqual([expect.stringMatching(/^8 error: tracing\.otlp: must be /)]);
});

test.each(['-0.1', '1.1', 'yes', '"0.5"'])('a part of %s is none', (written) => {
  expect(problemsOf(`{ sample: ${written} }`)).toEqual([expect.stringMatching(/^8 error: tracing\.sample: must be /)]);
});

test('a percentage is told as what to write', () => {
  expect(problemsOf('{ sample: 5% }')).toEqual([expect.stringMatching(/; write 0\.05$/)]);
});
