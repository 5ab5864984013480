import { randomUUID } from 'node:crypto';
import { checkField, type ParsedField, TOKEN } from '../../icap/field.ts';
import type { RequestHead } from '../../icap/request-head.ts';
import { type TraceContext, traceContextOf, traceLines } from '../../observe/trace-context.ts';

/** By what one request is found again elsewhere. The same for every attempt at a backend. */
export interface Correlation {
  /** What the configured header holds; undefined where none is configured. */
  readonly id: string | undefined;
  /** Undefined where nothing is traced. */
  readonly trace: TraceContext | undefined;
  /** Field lines for backends, each with its line end. */
  readonly requestLines: string;
  /** The same for the client. */
  readonly answerLines: string;
}

/** Tells requests apart. */
export interface Correlator {
  /** Fields that are the gateway's own in requests. */
  readonly requestFields: readonly string[];
  /** The one, in lower case, that is its own in answers. */
  readonly answerKey: string | undefined;
  readonly correlate: (head: RequestHead) => Correlation;
}

/** A client's id goes into logs, headers and other programs: more is none. */
const MAX_ID_LENGTH = 128;
const TRACE_FIELDS: readonly string[] = ['traceparent', 'tracestate'];
const NOTHING: Correlation = { id: undefined, trace: undefined, requestLines: '', answerLines: '' };

/** `header` carries an id through all hops; `sample` is 0 to 1 where requests are traced. Neither costs nothing. */
export function createCorrelator(header: string | undefined, sample: number | undefined): Correlator {
  if (header === undefined && sample === undefined) {
    return { requestFields: [], answerKey: undefined, correlate: () => NOTHING };
  }
  if (header !== undefined) checkField({ name: header, value: '' });
  const key = header?.toLowerCase();
  const own = header === undefined ? [] : [header];
  return {
    requestFields: sample === undefined ? own : [...own, ...TRACE_FIELDS],
    answerKey: key,
    correlate({ fields }) {
      const id = key === undefined ? undefined : (idOf(fields, key) ?? randomUUID());
      const trace = sample === undefined ? undefined : traceContextOf(fields, sample);
      const answerLines = id === undefined ? '' : `${header}: ${id}\r\n`;
      const requestLines = trace === undefined ? answerLines : answerLines + traceLines(trace);
      return { id, trace, requestLines, answerLines };
    },
  };
}

/** What the client sent, if it is fit to be an id. Two would be read as either. */
function idOf(fields: readonly ParsedField[], key: string): string | undefined {
  const [field, ...others] = fields.filter((each) => each.key === key);
  if (field === undefined || others.length > 0) return undefined;
  return field.value.length <= MAX_ID_LENGTH && TOKEN.test(field.value) ? field.value : undefined;
}
