import type { RetryReason, VerdictLabel } from './labels.ts';
import type { TraceContext } from './trace-context.ts';

/**
 * What tracing tells of one transaction. Plain data: workers send it to the main thread. It names nobody: neither the
 * addresses of client and user nor the URL of the document are in it.
 */
export interface SpanRecord extends TraceContext {
  readonly endMs: number;
  /** With fractions. */
  readonly durationMs: number;
  readonly service: string;
  readonly transaction: string;
  readonly correlation: string | undefined;
  readonly method: string;
  /** Of the ICAP service, without the query. */
  readonly path: string;
  /** `TLSv1.3`; undefined in clear. */
  readonly tls: string | undefined;
  readonly backend: string | undefined;
  readonly status: number | undefined;
  readonly httpStatus: number | undefined;
  readonly verdict: VerdictLabel | undefined;
  /** Why it was answered the way it was. */
  readonly reason: string;
  readonly threat: string | undefined;
  readonly attempts: number;
  readonly retryReason: RetryReason | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
}
