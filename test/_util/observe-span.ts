import type { SpanRecord } from '../../src/observe/span.ts';

/** A request that a backend answered with a block page, after another one had failed. */
export const SAMPLE_SPAN: SpanRecord = {
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  spanId: '00f067aa0ba902b7',
  parentId: 'b7ad6b7169203331',
  state: 'vendor=1',
  isSampled: true,
  endMs: 1_795_217_354_123,
  durationMs: 12.345,
  service: 'mcas',
  transaction: '7-3',
  correlation: 'c9b1',
  method: 'REQMOD',
  path: '/echo',
  tls: 'TLSv1.3',
  backend: 'dlp-1',
  status: 200,
  httpStatus: 403,
  verdict: 'blocked',
  reason: 'backend',
  threat: 'EICAR-Test',
  attempts: 2,
  retryReason: 'stale',
  bytesIn: 1326,
  bytesOut: 1167,
};
