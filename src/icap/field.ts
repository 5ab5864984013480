import { IcapProtocolError } from '../errors.ts';
import type { IcapLimits } from './limits.ts';
import type { ParserProfile } from './profile.ts';

/** One header field to send. Text is Latin-1: one character is one byte, so what came in goes out unchanged. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** One header field as received: unfolded, without blanks around the value, free of control characters. */
export interface ParsedField extends Field {
  /** The name in lower case. */
  readonly key: string;
  /** Where its line begins in the message. */
  readonly offset: number;
}

/** A token of RFC 9110 5.6.2, which is what names and methods are made of. */
export const TOKEN: RegExp = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const LINE_BREAKING = /[\r\n\0]/;

/** Throws a `TypeError` for a field that would break out of its line: a programming error, never a peer's. */
export function checkField({ name, value }: Field): void {
  if (!TOKEN.test(name) || LINE_BREAKING.test(value)) throw new TypeError(`field ${name} does not fit on a line`);
}

const FORBIDDEN = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)/;
const CR = 0x0d;

/** The fields of `text`, a block that ends with its blank line, from index `start` on. `base` is the block's offset. */
export function parseFields(
  text: string,
  start: number,
  base: number,
  profile: ParserProfile,
  limits: IcapLimits,
): readonly ParsedField[] {
  const forbidden = FORBIDDEN.exec(text);
  if (forbidden !== null) throw badHeader(base + forbidden.index, 'a control character');
  const fields: ParsedField[] = [];
  for (let at = start; ; ) {
    const lf = text.indexOf('\n', at);
    const end = text.charCodeAt(lf - 1) === CR ? lf - 1 : lf;
    if (end <= at) return fields;
    const offset = base + at;
    if (end - at > limits.lineBytes) {
      throw new IcapProtocolError('ICAPGW_ICAP_HEAD_TOO_LARGE', { offset, detail: 'one line is too long' });
    }
    const line = text.slice(at, end);
    const previous = fields.at(-1);
    if (previous !== undefined && isContinuation(line, previous, profile)) {
      // A tab keeps the pieces of X-Violations-Found apart and is legal inside a value.
      fields[fields.length - 1] = { ...previous, value: `${previous.value}\t${trimBlanks(line, 0)}` };
    } else {
      if (fields.length === limits.fieldCount) {
        throw new IcapProtocolError('ICAPGW_ICAP_HEAD_TOO_LARGE', { offset, detail: 'too many fields' });
      }
      fields.push(parseField(line, offset));
    }
    at = lf + 1;
  }
}

/** The value of the first field with this lower-case name. */
export function fieldValue(fields: readonly ParsedField[], key: string): string | undefined {
  return fields.find((field) => field.key === key)?.value;
}

/** The items of all fields with this lower-case name, which are comma lists, in lower case and without empty ones. */
export function listItems(fields: readonly ParsedField[], key: string): readonly string[] {
  const items: string[] = [];
  for (const field of fields) {
    if (field.key !== key) continue;
    for (const part of field.value.toLowerCase().split(',')) {
      const item = trimBlanks(part, 0);
      if (item !== '') items.push(item);
    }
  }
  return items;
}

function parseField(line: string, offset: number): ParsedField {
  const colon = line.indexOf(':');
  if (colon === -1) throw badHeader(offset, 'a line without a colon');
  const name = line.slice(0, colon);
  // Blanks before the colon are caught here too: RFC 9112 5.1 has them refused, they once hid fields from filters.
  if (!TOKEN.test(name)) throw badHeader(offset, 'the name is not a token');
  return { name, key: name.toLowerCase(), value: trimBlanks(line, colon + 1), offset };
}

function isContinuation(line: string, previous: ParsedField, profile: ParserProfile): boolean {
  if (!profile.foldedFields) return false;
  // Old Symantec engines list their findings in lines without a leading blank.
  return isBlank(line.charCodeAt(0)) || (previous.key === 'x-violations-found' && !line.includes(':'));
}

/** Not `trim()`: that takes U+00A0 too, which here is a byte of somebody's UTF-8. */
function trimBlanks(text: string, start: number): string {
  let from = start;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from += 1;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function badHeader(offset: number, detail: string): IcapProtocolError {
  return new IcapProtocolError('ICAPGW_ICAP_BAD_HEADER', { offset, detail });
}
