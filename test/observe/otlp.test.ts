import { describe, expect, test } from 'vitest';
import { exportRequest } from '../../src/observe/otlp.ts';
import type { SpanRecord } from '../../src/observe/span.ts';
import { SAMPLE_SPAN } from '../_util/observe-span.ts';
import { attributesOf, type ExportRequest, type OtlpSpan, spansOf } from '../_util/otlp-collector.ts';

const RESOURCE = { version: '1.2.3', hostName: 'gw1', instance: '6f0c' };

/** The fields of each message of `trace.proto`, `resource.proto` and `common.proto`, as JSON spells them. */
const SCHEMA: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ExportTraceServiceRequest: { resourceSpans: 'ResourceSpans' },
  ResourceSpans: { resource: 'Resource', scopeSpans: 'ScopeSpans', schemaUrl: 'string' },
  Resource: { attributes: 'KeyValue', droppedAttributesCount: 'number' },
  ScopeSpans: { scope: 'InstrumentationScope', spans: 'Span', schemaUrl: 'string' },
  InstrumentationScope: { name: 'string', version: 'string', attributes: 'KeyValue', droppedAttributesCount: 'number' },
  Span: {
    traceId: 'trace id',
    spanId: 'span id',
    traceState: 'string',
    parentSpanId: 'span id',
    flags: 'number',
    name: 'string',
    kind: 'number',
    startTimeUnixNano: 'uint64',
    endTimeUnixNano: 'uint64',
    attributes: 'KeyValue',
    droppedAttributesCount: 'number',
    events: 'Event',
    droppedEventsCount: 'number',
    links: 'Link',
    droppedLinksCount: 'number',
    status: 'Status',
  },
  KeyValue: { key: 'string', value: 'AnyValue' },
  AnyValue: { stringValue: 'string', boolValue: 'boolean', intValue: 'uint64', doubleValue: 'number' },
  Status: { message: 'string', code: 'number' },
};

/** 64-bit numbers are decimal text, and ids hexadecimal text: OTLP 1, "JSON Protobuf Encoding". */
const SCALARS: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  uint64: (value) => typeof value === 'string' && /^\d+$/.test(value),
  'trace id': (value) => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value),
  'span id': (value) => typeof value === 'string' && /^[0-9a-f]{16}$/.test(value),
};

function violations(value: unknown, type: string, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((each, index) => violations(each, type, `${path}[${index}]`));
  const fields = SCHEMA[type];
  if (fields === undefined) return SCALARS[type]?.(value) === true ? [] : [`${path} is no ${type}`];
  return Object.entries(value as object).flatMap(([name, inner]) => {
    const field = fields[name];
    return field === undefined ? [`${path} has no ${name}`] : violations(inner, field, `${path}.${name}`);
  });
}

function encode(...spans: readonly Partial<SpanRecord>[]): ExportRequest {
  const text = exportRequest(
    spans.map((span) => ({ ...SAMPLE_SPAN, ...span })),
    RESOURCE,
  );
  return JSON.parse(text) as ExportRequest;
}

function spanFor(change: Partial<SpanRecord>): OtlpSpan {
  return spansOf(encode(change))[0] as OtlpSpan;
}

describe('an export', () => {
  test('has only fields of the schema of OTLP, in the types of its JSON encoding', () => {
    const nothing = Object.fromEntries(
      ['parentId', 'state', 'correlation', 'tls', 'backend', 'status', 'httpStatus', 'verdict', 'threat'].map(
        (name) => [name, undefined],
      ),
    );
    expect(violations(encode({}, nothing), 'ExportTraceServiceRequest', 'request')).toEqual([]);
  });

  test('says who tells it', () => {
    const [resourceSpans] = encode({}).resourceSpans;
    expect(attributesOf(resourceSpans?.resource.attributes ?? [])).toEqual({
      'service.name': 'icapgw',
      'service.version': '1.2.3',
      'service.instance.id': '6f0c',
      'host.name': 'gw1',
    });
  });

  test('has one span of kind server for each request', () => {
    expect(spansOf(encode({}, {}))).toHaveLength(2);
    expect(spanFor({})).toMatchObject({
      traceId: SAMPLE_SPAN.traceId,
      spanId: SAMPLE_SPAN.spanId,
      parentSpanId: SAMPLE_SPAN.parentId,
      traceState: 'vendor=1',
      name: 'REQMOD mcas',
      kind: 2,
      status: {},
    });
  });

  test('has times in nanoseconds that a double could not hold', () => {
    const { startTimeUnixNano, endTimeUnixNano } = spanFor({});
    expect(endTimeUnixNano).toBe('1795217354123000000');
    expect(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)).toBe(12_345_000n);
  });

  test('tells of a request what a span of it may tell, and no more', () => {
    expect(attributesOf(spanFor({}).attributes)).toEqual({
      'network.protocol.name': 'icap',
      'network.protocol.version': '1.0',
      'url.scheme': 'icaps',
      'url.path': '/echo',
      'tls.protocol.name': 'tls',
      'tls.protocol.version': '1.3',
      'icap.request.method': 'REQMOD',
      'icap.request.size': '1326',
      'icap.response.status_code': '200',
      'icap.response.size': '1167',
      'icapgw.service': 'mcas',
      'icapgw.transaction': '7-3',
      'icapgw.correlation': 'c9b1',
      'icapgw.backend': 'dlp-1',
      'icapgw.attempts': '2',
      'icapgw.retry_reason': 'stale',
      'icapgw.verdict': 'blocked',
      'icapgw.reason': 'backend',
      'icapgw.threat': 'EICAR-Test',
      'icapgw.http_status': '403',
    });
  });

  test('bounds what others chose', () => {
    const { 'url.path': path = '' } = attributesOf(spanFor({ path: `/${'x'.repeat(100_000)}` }).attributes);
    expect(path.length).toBe(1024);
  });
});

describe('the status of a span', () => {
  test.each([
    { of: { verdict: 'error', status: 502, reason: 'when-down' }, type: 'when-down' },
    { of: { verdict: 'error', status: undefined, reason: 'on-timeout' }, type: 'on-timeout' },
    { of: { verdict: 'aborted', status: 200, reason: 'backend-abort' }, type: 'backend-abort' },
    { of: { verdict: undefined, status: 503, reason: 'options' }, type: 'options' },
  ] as const)('is an error for $of', ({ of, type }) => {
    const { status, attributes } = spanFor(of);
    expect([status, attributesOf(attributes)['error.type']]).toEqual([{ code: 2 }, type]);
  });

  test.each([
    { verdict: 'error', status: 400, reason: 'protocol' },
    { verdict: 'aborted', status: undefined, reason: 'client-reset' },
    { verdict: 'bypassed', status: 204, reason: 'when-down' },
  ] as const)('is none for %o', (of) => {
    const { status, attributes } = spanFor(of);
    expect([status, attributesOf(attributes)['error.type']]).toEqual([{}, undefined]);
  });
});
