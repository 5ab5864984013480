import { randomFillSync } from 'node:crypto';
import { fieldValue, type ParsedField } from '../icap/field.ts';

/** Where one transaction stands in a trace, as W3C Trace Context has it. */
export interface TraceContext {
  /** 32 hexadecimal digits, of everything that belongs together. */
  readonly traceId: string;
  /** 16 hexadecimal digits, of this transaction. */
  readonly spanId: string;
  /** Of what the client did when it asked; undefined where the trace begins here. */
  readonly parentId: string | undefined;
  /** What others on the way keep in `tracestate`; undefined where they keep nothing. */
  readonly state: string | undefined;
  /** Whether it is exported. */
  readonly isSampled: boolean;
}

const TRACE_PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;
const TRACE_ID_DIGITS = 32;
const SPAN_ID_DIGITS = 16;
/** Trace Context 3.3.1.5 asks to pass on at least so much of a `tracestate`. */
const MAX_STATE_LENGTH = 512;
/** The digits of a trace id that decide: what makes trace ids must make these at random. */
const RATIO_DIGITS = 12;

/** Random bytes for many requests: asking for them costs more than making an id. */
const ENTROPY: Buffer = Buffer.allocUnsafeSlow(64 * (TRACE_ID_DIGITS + SPAN_ID_DIGITS));
let entropyUsed: number = ENTROPY.length;

/**
 * Goes on with the trace of a client that sent one, and begins one otherwise. Whether one that begins here is exported is
 * in its id, so that equal ratios decide alike: `sample` is 0 to 1.
 */
export function traceContextOf(fields: readonly ParsedField[], sample: number): TraceContext {
  const parent = parentOf(fields);
  const spanId = randomDigits(SPAN_ID_DIGITS);
  if (parent !== undefined) return { ...parent, spanId };
  const traceId = randomDigits(TRACE_ID_DIGITS);
  const isSampled = Number.parseInt(traceId.slice(-RATIO_DIGITS), 16) < sample * 16 ** RATIO_DIGITS;
  return { traceId, spanId, parentId: undefined, state: undefined, isSampled };
}

/** The field lines that go on with it at the next hop. */
export function traceLines({ traceId, spanId, state, isSampled }: TraceContext): string {
  const parent = `traceparent: 00-${traceId}-${spanId}-${isSampled ? '01' : '00'}\r\n`;
  return state === undefined ? parent : `${parent}tracestate: ${state}\r\n`;
}

/** Hexadecimal, each used once. */
function randomDigits(count: number): string {
  if (entropyUsed + count / 2 > ENTROPY.length) {
    randomFillSync(ENTROPY);
    entropyUsed = 0;
  }
  const start = entropyUsed;
  entropyUsed += count / 2;
  return ENTROPY.toString('hex', start, entropyUsed);
}

function parentOf(fields: readonly ParsedField[]): Omit<TraceContext, 'spanId'> | undefined {
  const [value, ...others] = fields.filter(({ key }) => key === 'traceparent');
  if (value === undefined || others.length > 0) return undefined;
  const [whole, version, traceId = '', parentId = '', flags = '', rest] = TRACE_PARENT.exec(value.value) ?? [];
  if (whole === undefined || version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(parentId)) return undefined;
  return { traceId, parentId, state: stateOf(fields), isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Opaque to us. What is too long is dropped as a whole, as the specification permits. */
function stateOf(fields: readonly ParsedField[]): string | undefined {
  if (fieldValue(fields, 'tracestate') === undefined) return undefined;
  const state = fields
    .filter(({ key, value }) => key === 'tracestate' && value !== '')
    .map(({ value }) => value)
    .join(',');
  return state === '' || state.length > MAX_STATE_LENGTH || !/^[\x20-\x7e]+$/.test(state) ? undefined : state;
}
