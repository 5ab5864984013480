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

const MODIFICATION = /^(?:req-hdr )?(?:res-hdr )?(?:req-body|res-body|null-body)$/;

const LEGAL: Readonly<Record<EncapsulatedPlace, RegExp>> = {
  'request REQMOD': /^(?:req-hdr )?(?:req-body|null-body)$/,
  'request RESPMOD': /^(?:req-hdr )?(?:res-hdr )?(?:res-body|null-body)$/,
  'request OPTIONS': /^(?:opt-body|null-body)$/,
  'request other': MODIFICATION,
  'response REQMOD': /^(?:(?:req-hdr )?(?:req-body|null-body)|(?:res-hdr )?(?:res-body|null-body))$/,
  'response RESPMOD': /^(?:res-hdr )?(?:res-body|null-body)$/,
  'response OPTIONS': /^(?:opt-body|null-body)$/,
  'response other': MODIFICATION,
};

const ITEM = /^(req-hdr|res-hdr|req-body|res-body|opt-body|null-body)=(\d{1,10})$/;
const SEPARATOR = /,[ \t]*/;

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

  const items = value.split(SEPARATOR).map((item) => {
    const match = ITEM.exec(item);
    if (match === null) throw fail('not a list of name=offset');
    return { part: match[1] as HeaderPart | BodyPart, start: Number(match[2]) };
  });
  if (!LEGAL[rules.place].test(items.map((item) => item.part).join(' '))) {
    throw fail(`these parts do not make a ${rules.place}`);
  }
  if (items[0]?.start !== 0) throw fail('the first part does not begin at 0');

  const headers = items.slice(0, -1).map((item, index) => {
    const bytes = (items[index + 1]?.start ?? 0) - item.start;
    if (bytes < 0 || (bytes === 0 && !rules.emptySections)) throw fail('the offsets do not ascend');
    if (bytes > rules.maxSectionBytes) {
      throw new IcapProtocolError('ICAPGW_ICAP_HEAD_TOO_LARGE', { offset: rules.offset, detail: item.part });
    }
    return { part: item.part as HeaderPart, bytes };
  });
  return { headers, body: items.at(-1)?.part as BodyPart };
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
