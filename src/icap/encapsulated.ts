import { IcapProtocolError } from '../errors.ts';

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

const REQUEST_LISTS = ['req-hdr req-body', 'req-hdr null-body', 'req-body', 'null-body'];
const RESPONSE_LISTS = ['res-hdr res-body', 'res-hdr null-body', 'res-body', 'null-body'];
const OPTIONS_LISTS = new Set(['opt-body', 'null-body']);
const ANY_LISTS = new Set(
  ['', 'req-hdr ', 'res-hdr ', 'req-hdr res-hdr '].flatMap((headers) =>
    ['req-body', 'res-body', 'null-body'].map((body) => headers + body),
  ),
);

const LEGAL: Readonly<Record<EncapsulatedPlace, ReadonlySet<string>>> = {
  'request REQMOD': new Set(REQUEST_LISTS),
  'request RESPMOD': new Set([...RESPONSE_LISTS, ...RESPONSE_LISTS.map((list) => `req-hdr ${list}`)]),
  'request OPTIONS': OPTIONS_LISTS,
  'request other': ANY_LISTS,
  'response REQMOD': new Set([...REQUEST_LISTS, ...RESPONSE_LISTS]),
  'response RESPMOD': new Set(RESPONSE_LISTS),
  'response OPTIONS': OPTIONS_LISTS,
  'response other': ANY_LISTS,
};

const PARTS: ReadonlySet<string> = new Set(['req-hdr', 'res-hdr', 'req-body', 'res-body', 'opt-body', 'null-body']);
const MAX_DIGITS = 10;

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
  const fail = (detail: string): IcapProtocolError =>
    new IcapProtocolError('ICAPGW_ICAP_BAD_ENCAPSULATED', { offset: rules.offset, detail });

  const headers: { part: HeaderPart; bytes: number }[] = [];
  let list = '';
  let part = '';
  let start = 0;
  for (let at = 0; ; ) {
    const equals = value.indexOf('=', at);
    const end = digitsEnd(value, equals + 1);
    if (equals === -1 || end === equals + 1 || end > equals + 1 + MAX_DIGITS) throw fail('not a list of name=offset');
    const offset = Number(value.slice(equals + 1, end));
    if (part === '') {
      if (offset !== 0) throw fail('the first part does not begin at 0');
    } else {
      const bytes = offset - start;
      if (bytes < 0 || (bytes === 0 && !rules.emptySections)) throw fail('the offsets do not ascend');
      if (bytes > rules.maxSectionBytes) {
        throw new IcapProtocolError('ICAPGW_ICAP_HEAD_TOO_LARGE', { offset: rules.offset, detail: part });
      }
      headers.push({ part: part as HeaderPart, bytes });
      list += ' ';
    }
    part = value.slice(at, equals);
    if (!PARTS.has(part)) throw fail('not a list of name=offset');
    list += part;
    start = offset;
    if (end === value.length) break;
    if (value[end] !== ',') throw fail('not a list of name=offset');
    at = end + 1;
    while (value[at] === ' ' || value[at] === '\t') at += 1;
  }
  if (!LEGAL[rules.place].has(list)) throw fail(`these parts do not make a ${rules.place}`);
  return { headers, body: part as BodyPart };
}

function digitsEnd(text: string, at: number): number {
  let end = at;
  for (let code = text.charCodeAt(end); code >= 0x30 && code <= 0x39; code = text.charCodeAt(end)) end += 1;
  return end;
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
