import { bounded } from './log-format.ts';
import type { SpanRecord } from './span.ts';

/** Who tells: the attributes of an OpenTelemetry resource. */
export interface Resource {
  readonly version: string;
  readonly hostName: string;
  /** Differs from that of every other process. */
  readonly instance: string;
}

type AttributeValue = string | number | undefined;

interface KeyValue {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly intValue: string };
}

/** `SPAN_KIND_SERVER` of the protocol: this side answers. */
const KIND_SERVER = 2;
/** `STATUS_CODE_ERROR`. */
const STATUS_ERROR = 2;

/** The body of one export: `ExportTraceServiceRequest` in the JSON encoding of OTLP 1. */
export function exportRequest(spans: readonly SpanRecord[], { version, hostName, instance }: Resource): string {
  const attributes = attributesOf({
    'service.name': 'icapgw',
    'service.version': version,
    'service.instance.id': instance,
    'host.name': hostName,
  });
  const scopeSpans = [{ scope: { name: 'icapgw', version }, spans: spans.map(spanOf) }];
  return JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans }] });
}

function spanOf(span: SpanRecord): object {
  const isError = hasFailed(span);
  const startMs = span.endMs - span.durationMs;
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentId !== undefined && { parentSpanId: span.parentId }),
    ...(span.state !== undefined && { traceState: span.state }),
    flags: 1,
    // Few different ones, as the semantic conventions ask for: a path is the client's choice.
    name: `${span.method} ${span.service}`,
    kind: KIND_SERVER,
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(span.endMs),
    attributes: attributesOf({
      'network.protocol.name': 'icap',
      'network.protocol.version': '1.0',
      'url.scheme': span.tls === undefined ? 'icap' : 'icaps',
      'url.path': span.path,
      'tls.protocol.name': span.tls === undefined ? undefined : 'tls',
      'tls.protocol.version': span.tls?.replace('TLSv', ''),
      'error.type': isError ? span.reason : undefined,
      'icap.request.method': span.method,
      'icap.request.size': span.bytesIn,
      'icap.response.status_code': span.status,
      'icap.response.size': span.bytesOut,
      'icapgw.service': span.service,
      'icapgw.transaction': span.transaction,
      'icapgw.correlation': span.correlation,
      'icapgw.backend': span.backend,
      'icapgw.attempts': span.attempts,
      'icapgw.retry_reason': span.retryReason,
      'icapgw.verdict': span.verdict,
      'icapgw.reason': span.reason,
      'icapgw.threat': span.threat,
      'icapgw.http_status': span.httpStatus,
    }),
    status: isError ? { code: STATUS_ERROR } : {},
  };
}

/** What went wrong on this side. That a client left, or sent nonsense, is no fault of ours. */
function hasFailed({ verdict, status, reason }: SpanRecord): boolean {
  if (verdict === 'aborted') return reason === 'backend-abort';
  return (status !== undefined && status >= 500) || (verdict === 'error' && status === undefined);
}

function attributesOf(values: Readonly<Record<string, AttributeValue>>): readonly KeyValue[] {
  const known: KeyValue[] = [];
  for (const [key, value] of Object.entries(values)) {
    // 64-bit integers are decimal text in the JSON encoding of protocol buffers.
    if (typeof value === 'number') known.push({ key, value: { intValue: String(value) } });
    else if (value !== undefined) known.push({ key, value: { stringValue: String(bounded(value)) } });
  }
  return known;
}

/** Exact to the microsecond, which is what a double holds of today's date. */
function nanoseconds(epochMs: number): string {
  return `${Math.round(epochMs * 1000)}000`;
}
