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

const CR = 0x0d;
const COLON = 0x3a;
/** For each Latin-1 character: may stand in a name (2), in a value only (1), in neither (0). */
const CHARACTERS: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) => {
  if (TOKEN.test(String.fromCharCode(code))) return 2;
  return code === 0x09 || (code >= 0x20 && code !== 0x7f) ? 1 : 0;
});

/** The fields of `text`, a block that ends with its blank line, from index `start` on. `base` is the block's offset. */
export function parseFields(
  text: string,
  start: number,
  base: number,
  profile: ParserProfile,
  limits: IcapLimits,
): readonly ParsedField[] {
  const fields: ParsedField[] = [];
  let previous: ParsedField | undefined;
  for (let at = start; ; ) {
    const lf = text.indexOf('\n', at);
    const end = text.charCodeAt(lf - 1) === CR ? lf - 1 : lf;
    if (end <= at) return fields;
    if (end - at > limits.lineBytes) {
      throw new IcapProtocolError('ICAPGW_ICAP_HEAD_TOO_LARGE', { offset: base + at, detail: 'one line is too long' });
    }
    if (previous !== undefined && profile.foldedFields && isContinuation(text, at, end, previous)) {
      // A tab keeps the pieces of X-Violations-Found apart and is legal inside a value.
      previous = { ...previous, value: `${previous.value}\t${parseValue(text, at, end, base)}` };
      fields[fields.length - 1] = previous;
    } else {
      if (fields.length === limits.fieldCount) {
        throw new IcapProtocolError('ICAPGW_ICAP_HEAD_TOO_LARGE', { offset: base + at, detail: 'too many fields' });
      }
      previous = parseField(text, at, end, base);
      fields.push(previous);
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
    const list = field.value.toLowerCase();
    for (let at = 0; at < list.length; ) {
      const comma = list.indexOf(',', at);
      const end = comma === -1 ? list.length : comma;
      const item = trimmed(list, at, end);
      if (item !== '') items.push(item);
      at = end + 1;
    }
  }
  return items;
}

function parseField(text: string, at: number, end: number, base: number): ParsedField {
  let colon = at;
  while (CHARACTERS[text.charCodeAt(colon)] === 2) colon += 1;
  // Blanks before the colon are caught here too: RFC 9112 5.1 has them refused, they once hid fields from filters.
  if (colon === at || colon >= end || text.charCodeAt(colon) !== COLON) {
    checkCharacters(text, at, end, base);
    throw badHeader(base + at, 'no name and colon at the beginning of a line');
  }
  const name = text.slice(at, colon);
  return { name, key: name.toLowerCase(), value: parseValue(text, colon + 1, end, base), offset: base + at };
}

/** What stands between `at` and `end` without the blanks around it. */
function parseValue(text: string, at: number, end: number, base: number): string {
  checkCharacters(text, at, end, base);
  return trimmed(text, at, end);
}

/** `text` must hold Latin-1 only, as it does when it was read as that. */
export function checkCharacters(text: string, at: number, end: number, base: number): void {
  for (let index = at; index < end; index += 1) {
    if (CHARACTERS[text.charCodeAt(index)] === 0) throw badHeader(base + index, 'a control character');
  }
}

function isContinuation(text: string, at: number, end: number, previous: ParsedField): boolean {
  if (isBlank(text.charCodeAt(at))) return true;
  // Old Symantec engines list their findings in lines without a leading blank.
  return previous.key === 'x-violations-found' && !text.slice(at, end).includes(':');
}

/** Not `trim()`: that takes U+00A0 too, which here is a byte of somebody's UTF-8. */
function trimmed(text: string, at: number, end: number): string {
  let from = at;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from += 1;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

/** Whether this is the code of a space or a tab. */
export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function badHeader(offset: number, detail: string): IcapProtocolError {
  return new IcapProtocolError('ICAPGW_ICAP_BAD_HEADER', { offset, detail });
}
