import { IcapProtocolError } from '../errors.ts';
import { type Encapsulated, type EncapsulatedPlace, NO_ENCAPSULATED, parseEncapsulated } from './encapsulated.ts';
import { checkCharacters, listItems, type ParsedField, parseFields } from './field.ts';
import { announcesClose, announcesTrailer, checkVersion, type MessageHead, soleField } from './head.ts';
import type { IcapLimits } from './limits.ts';
import type { ParserProfile } from './profile.ts';

export interface ResponseHead extends MessageHead {
  readonly status: number;
  /** Free text: vendors word even 204 differently. */
  readonly reason: string;
}

const CR = 0x0d;
const STATUS_LINE = /^(\S+) ([1-9]\d\d)(?: (.*))?$/;

/** Reads a whole response head. `method` is that of the request it answers, which decides what it may hold. */
export function parseResponseHead(
  block: Buffer,
  base: number,
  method: string,
  profile: ParserProfile,
  limits: IcapLimits,
): ResponseHead {
  const text = block.toString('latin1');
  const lf = text.indexOf('\n');
  const end = text.charCodeAt(lf - 1) === CR ? lf - 1 : lf;
  checkCharacters(text, 0, end, base);
  const match = STATUS_LINE.exec(text.slice(0, end));
  if (match === null) throw new IcapProtocolError('ICAPGW_ICAP_BAD_START_LINE', { offset: base });
  const [, version = '', statusText = '', reason = ''] = match;
  checkVersion(version, base);
  const status = Number(statusText);
  const fields = parseFields(text, lf + 1, base, profile, limits);
  return {
    status,
    reason,
    fields,
    encapsulated: encapsulatedOf(method, status, fields, base, profile, limits),
    close: announcesClose(fields),
    trailer: announcesTrailer(fields, listItems(fields, 'allow')),
  };
}

function encapsulatedOf(
  method: string,
  status: number,
  fields: readonly ParsedField[],
  base: number,
  profile: ParserProfile,
  limits: IcapLimits,
): Encapsulated {
  const field = soleField(fields, 'encapsulated');
  const carriesMessage = status >= 200 && status < 300 && status !== 204 && method !== 'OPTIONS';
  if (field === undefined) {
    // RFC 3507 4.4.1 wants it everywhere; in practice 100, 204, errors and OPTIONS answers come without.
    if (!carriesMessage) return NO_ENCAPSULATED;
    throw new IcapProtocolError('ICAPGW_ICAP_BAD_ENCAPSULATED', { offset: base, detail: 'the field is missing' });
  }
  return parseEncapsulated(field.value, {
    place: responsePlace(method, carriesMessage),
    emptySections: profile.emptySections,
    maxSectionBytes: limits.headBytes,
    offset: field.offset,
  });
}

function responsePlace(method: string, carriesMessage: boolean): EncapsulatedPlace {
  if (method === 'OPTIONS') return 'response OPTIONS';
  if (carriesMessage && method === 'REQMOD') return 'response REQMOD';
  return carriesMessage && method === 'RESPMOD' ? 'response RESPMOD' : 'response other';
}
