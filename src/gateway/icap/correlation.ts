import { randomUUID } from 'node:crypto';
import { checkField, type ParsedField, TOKEN } from '../../icap/field.ts';
import type { RequestHead } from '../../icap/request-head.ts';
import type { OwnField } from '../../icap/response-fields.ts';
import { type TraceContext, traceContextOf, traceLines } from '../../observe/trace-context.ts';

/** By what one request is found again elsewhere. The same for every attempt at a backend. */
export interface Correlation {
  /** What the configured header holds; undefined where none is configured. */
  readonly id: string | undefined;
  /** Undefined where nothing is traced. */
  readonly trace: TraceContext | undefined;
  /** Field lines for backends, each with its line end. */
  readonly requestLines: string;
  /** For the client; undefined: nothing. */
  readonly answerField: OwnField | undefined;
}

/** Tells requests apart. */
export interface Correlator {
  /** Fields that are the gateway's own in requests to backends. */
  readonly ownFields: readonly string[];
  readonly correlate: (head: RequestHead) => Correlation;
}

/** A client's id goes into logs, headers and other programs: more is none. */
const MAX_ID_LENGTH = 128;
const TRACE_FIELDS: readonly string[] = ['traceparent', 'tracestate'];
const NOTHING: Correlation = { id: undefined, trace: undefined, requestLines: '', answerField: undefined };

/** `header` carries an id through all hops; `sample` is 0 to 1 where requests are traced. Neither costs nothing. */
export function createCorrelator(header: string | undefined, sample: number | undefined): Correlator {
  if (header === undefined && sample === undefined) {
    return { ownFields: [], correlate: () => NOTHING };
  }
  if (header !== undefined) checkField({ name: header, value: '' });
  const key = header?.toLowerCase();
  const own = header === undefined ? [] : [header];
  return {
    ownFields: sample === undefined ? own : [...own, ...TRACE_FIELDS],
    correlate({ fields }) {
      const trace = sample === undefined ? undefined : traceContextOf(fields, sample);
      const lines = trace === undefined ? '' : traceLines(trace);
      if (key === undefined) return { id: undefined, trace, requestLines: lines, answerField: undefined };
      const id = idOf(fields, key) ?? randomUUID();
      const line = `${header}: ${id}\r\n`;
      return { id, trace, requestLines: line + lines, answerField: { key, line } };
    },
  };
}

/** What the client sent, if it is fit to be an id. Two would be read as either. */
function idOf(fields: readonly ParsedField[], key: string): string | undefined {
  const [field, ...others] = fields.filter((each) => each.key === key);
  if (field === undefined || others.length > 0) return undefined;
  return field.value.length <= MAX_ID_LENGTH && TOKEN.test(field.value) ? field.value : undefined;
}
