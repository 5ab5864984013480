import { IcapProtocolError } from '../errors.ts';
import { isBlank } from './field.ts';

export type HeaderPart = 'req-hdr' | 'res-hdr';
export type BodyPart = 'req-body' | 'res-body' | 'opt-body' | 'null-body';

/** What follows an ICAP head: header blocks of known size, then at most one body. */
export interface Encapsulated {
  readonly headers: readonly { readonly part: HeaderPart; readonly bytes: number }[];
  readonly body: BodyPart;
}

/** One encapsulated HTTP header block: opaque bytes that end with their blank line. */
export interface Section {
  readonly part: HeaderPart;
  readonly bytes: Buffer;
}

/** Where a list stands, which decides what it may hold (RFC 3507 4.4.1). */
export type EncapsulatedPlace = `${'request' | 'response'} ${'REQMOD' | 'RESPMOD' | 'OPTIONS' | 'other'}`;

/** For a message whose head has no Encapsulated field: nothing follows. */
export const NO_ENCAPSULATED: Encapsulated = { headers: [], body: 'null-body' };

/** One bit for each part, in the order that parts come in: the sum of a list's bits says which list it is. */
const BITS: ReadonlyMap<string, number> = new Map(
  ['req-hdr', 'res-hdr', 'req-body', 'res-body', 'opt-body', 'null-body'].map((part, index) => [part, 1 << index]),
);

const REQUEST_LISTS = ['req-hdr req-body', 'req-hdr null-body', 'req-body', 'null-body'];
const RESPONSE_LISTS = ['res-hdr res-body', 'res-hdr null-body', 'res-body', 'null-body'];
const OPTIONS_LISTS = sums(['opt-body', 'null-body']);
const ANY_LISTS = sums(
  ['', 'req-hdr ', 'res-hdr ', 'req-hdr res-hdr '].flatMap((headers) =>
    ['req-body', 'res-body', 'null-body'].map((body) => headers + body),
  ),
);

const LEGAL: Readonly<Record<EncapsulatedPlace, ReadonlySet<number>>> = {
  'request REQMOD': sums(REQUEST_LISTS),
  'request RESPMOD': sums([...RESPONSE_LISTS, ...RESPONSE_LISTS.map((list) => `req-hdr ${list}`)]),
  'request OPTIONS': OPTIONS_LISTS,
  'request other': ANY_LISTS,
  'response REQMOD': sums([...REQUEST_LISTS, ...RESPONSE_LISTS]),
  'response RESPMOD': sums(RESPONSE_LISTS),
  'response OPTIONS': OPTIONS_LISTS,
  'response other': ANY_LISTS,
};

function sums(lists: readonly string[]): ReadonlySet<number> {
  return new Set(lists.map((list) => list.split(' ').reduce((sum, part) => sum + (BITS.get(part) ?? 0), 0)));
}

const MAX_DIGITS = 10;
const ZERO = 0x30;
const NINE = 0x39;
const COMMA = 0x2c;
const NO_LIST = 'not a list of name=offset';

/** What an Encapsulated value may look like besides the list itself. */
export interface EncapsulatedRules {
  readonly place: EncapsulatedPlace;
  readonly emptySections: boolean;
  /** For one header block. */
  readonly maxSectionBytes: number;
  /** Of the field in the message, for errors. */
  readonly offset: number;
}

/** The parts of a message and their sizes. Anything that two readers could take differently is an error. */
export function parseEncapsulated(value: string, rules: EncapsulatedRules): Encapsulated {
  const headers: { part: HeaderPart; bytes: number }[] = [];
  let sum = 0;
  let part = '';
  let start = 0;
  for (let at = 0; ; ) {
    const equals = value.indexOf('=', at);
    const name = value.slice(at, equals);
    const bit = BITS.get(name);
    if (equals === -1 || bit === undefined) throw bad(rules, NO_LIST);
    let end = equals + 1;
    let offset = 0;
    for (let code = value.charCodeAt(end); code >= ZERO && code <= NINE; code = value.charCodeAt(end)) {
      offset = offset * 10 + code - ZERO;
      end += 1;
    }
    if (end === equals + 1 || end > equals + 1 + MAX_DIGITS) throw bad(rules, NO_LIST);
    if (sum === 0) {
      if (offset !== 0) throw bad(rules, 'the first part does not begin at 0');
    } else {
      headers.push({ part: part as HeaderPart, bytes: sectionBytes(offset - start, part, rules) });
    }
    // The bits of what came before sum up to less than this one's, unless the order is wrong or a part comes twice.
    if (bit <= sum) throw bad(rules, 'the parts are not in their order');
    sum += bit;
    part = name;
    start = offset;
    if (end === value.length) break;
    if (value.charCodeAt(end) !== COMMA) throw bad(rules, NO_LIST);
    at = end + 1;
    while (isBlank(value.charCodeAt(at))) at += 1;
  }
  if (!LEGAL[rules.place].has(sum)) throw bad(rules, `these parts do not make a ${rules.place}`);
  return { headers, body: part as BodyPart };
}

function sectionBytes(bytes: number, part: string, rules: EncapsulatedRules): number {
  if (bytes < 0 || (bytes === 0 && !rules.emptySections)) throw bad(rules, 'the offsets do not ascend');
  if (bytes <= rules.maxSectionBytes) return bytes;
  throw new IcapProtocolError('ICAPGW_ICAP_HEAD_TOO_LARGE', { offset: rules.offset, detail: part });
}

function bad(rules: EncapsulatedRules, detail: string): IcapProtocolError {
  return new IcapProtocolError('ICAPGW_ICAP_BAD_ENCAPSULATED', { offset: rules.offset, detail });
}

/** The value for the blocks that follow. Comma and space: some servers split on exactly that. */
export function formatEncapsulated(sections: readonly Section[], body: BodyPart): string {
  let offset = 0;
  let value = '';
  for (const { part, bytes } of sections) {
    value += `${part}=${offset}, `;
    offset += bytes.length;
  }
  return `${value}${body}=${offset}`;
}
