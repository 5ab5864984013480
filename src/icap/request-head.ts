import { IcapProtocolError } from '../errors.ts';
import { type Encapsulated, type EncapsulatedPlace, NO_ENCAPSULATED, parseEncapsulated } from './encapsulated.ts';
import { listItems, type ParsedField, parseFields, TOKEN } from './field.ts';
import { announcesClose, announcesTrailer, checkVersion, type MessageHead, soleField } from './head.ts';
import type { IcapLimits } from './limits.ts';
import type { ParserProfile } from './profile.ts';
import { type IcapUri, parseIcapUri } from './uri.ts';

export interface RequestHead extends MessageHead {
  /** Case-sensitive. Unknown methods pass, for the owner to answer 501. */
  readonly method: string;
  readonly uri: IcapUri;
  /** How many body bytes the client sends before it waits for an answer; undefined: it sends all. */
  readonly preview: number | undefined;
  /** The client takes a 204 outside a preview. */
  readonly allow204: boolean;
  readonly allow206: boolean;
}

const CR = 0x0d;
const PREVIEW = /^\d{1,10}$/;

/** Reads a whole request head. `base` is its message offset: stray line ends may have come before it. */
export function parseRequestHead(block: Buffer, base: number, profile: ParserProfile, limits: IcapLimits): RequestHead {
  const text = block.toString('latin1');
  const lf = text.indexOf('\n');
  const { method, uriText, version } = splitRequestLine(text, text.charCodeAt(lf - 1) === CR ? lf - 1 : lf, base);
  const uriOffset = base + method.length + 1;
  checkVersion(version, uriOffset + uriText.length + 1);
  if (uriText.length > limits.uriBytes) {
    throw new IcapProtocolError('ICAPGW_ICAP_HEAD_TOO_LARGE', { offset: uriOffset, detail: 'the URI is too long' });
  }
  const uri = parseIcapUri(uriText, uriOffset);
  const fields = parseFields(text, lf + 1, base, profile, limits);
  refuseTransferEncoding(fields, profile);
  soleField(fields, 'host');
  const allow = listItems(fields, 'allow');
  return {
    method,
    uri,
    fields,
    encapsulated: encapsulatedOf(method, fields, base, profile, limits),
    preview: previewOf(fields),
    allow204: allow.includes('204'),
    allow206: allow.includes('206'),
    close: announcesClose(fields),
    trailer: announcesTrailer(fields, allow),
  };
}

/** The three parts of the first `end` characters, with one space between them and none within. */
function splitRequestLine(
  text: string,
  end: number,
  base: number,
): { method: string; uriText: string; version: string } {
  const first = text.indexOf(' ');
  const second = text.indexOf(' ', first + 1);
  const method = text.slice(0, first);
  const version = text.slice(second + 1, end);
  if (second < 0 || second >= end || version.includes(' ') || !TOKEN.test(method)) {
    throw new IcapProtocolError('ICAPGW_ICAP_BAD_START_LINE', { offset: base });
  }
  return { method, uriText: text.slice(first + 1, second), version };
}

function encapsulatedOf(
  method: string,
  fields: readonly ParsedField[],
  base: number,
  profile: ParserProfile,
  limits: IcapLimits,
): Encapsulated {
  const field = soleField(fields, 'encapsulated');
  const place = requestPlace(method);
  if (field === undefined) {
    if (place === 'request OPTIONS' || place === 'request other') return NO_ENCAPSULATED;
    throw new IcapProtocolError('ICAPGW_ICAP_BAD_ENCAPSULATED', { offset: base, detail: 'the field is missing' });
  }
  return parseEncapsulated(field.value, {
    place,
    emptySections: profile.emptySections,
    maxSectionBytes: limits.headBytes,
    offset: field.offset,
  });
}

function requestPlace(method: string): EncapsulatedPlace {
  switch (method) {
    case 'REQMOD':
      return 'request REQMOD';
    case 'RESPMOD':
      return 'request RESPMOD';
    case 'OPTIONS':
      return 'request OPTIONS';
    default:
      return 'request other';
  }
}

function previewOf(fields: readonly ParsedField[]): number | undefined {
  const field = soleField(fields, 'preview');
  if (field === undefined) return undefined;
  if (!PREVIEW.test(field.value)) {
    throw new IcapProtocolError('ICAPGW_ICAP_BAD_PREVIEW', { offset: field.offset, detail: 'not a number' });
  }
  return Number(field.value);
}

function refuseTransferEncoding(fields: readonly ParsedField[], profile: ParserProfile): void {
  const field = fields.find(({ key }) => key === 'transfer-encoding');
  if (field === undefined || profile.transferEncoding) return;
  // RFC 3507 4.3.1 rules it out; who honours it would frame the message in another way.
  throw new IcapProtocolError('ICAPGW_ICAP_BAD_HEADER', { offset: field.offset, detail: 'Transfer-Encoding' });
}
