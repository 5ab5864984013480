import { IcapProtocolError } from '../errors.ts';
import type { Encapsulated } from './encapsulated.ts';
import { listItems, type ParsedField } from './field.ts';

/** What the heads of requests and responses have in common. */
export interface MessageHead {
  readonly fields: readonly ParsedField[];
  readonly encapsulated: Encapsulated;
  /** The sender closes the connection after this transaction. */
  readonly close: boolean;
  /** An ICAP trailer follows the body (draft-rousskov-icap-trailers). */
  readonly trailer: boolean;
}

const VERSION = /^ICAP\/1\.\d$/;

/** Whether a version token is ICAP/1.x; another ICAP version and another protocol are different errors. */
export function checkVersion(text: string, offset: number): void {
  if (VERSION.test(text)) return;
  const code = text.startsWith('ICAP/') ? 'ICAPGW_ICAP_BAD_VERSION' : 'ICAPGW_ICAP_BAD_START_LINE';
  throw new IcapProtocolError(code, { offset });
}

/** The only field of this name, or undefined. Two of a framing field would be read differently by different peers. */
export function soleField(fields: readonly ParsedField[], key: string): ParsedField | undefined {
  let sole: ParsedField | undefined;
  for (const field of fields) {
    if (field.key !== key) continue;
    if (sole !== undefined) {
      throw new IcapProtocolError('ICAPGW_ICAP_BAD_HEADER', {
        offset: field.offset,
        detail: `two ${field.name} fields`,
      });
    }
    sole = field;
  }
  return sole;
}

/** Whether the sender of these fields ends the connection after the message. */
export function announcesClose(fields: readonly ParsedField[]): boolean {
  return listItems(fields, 'connection').includes('close');
}

/** An ICAP trailer follows if and only if both fields say so. */
export function announcesTrailer(fields: readonly ParsedField[], allow: readonly string[]): boolean {
  return allow.includes('trailers') && fields.some((field) => field.key === 'trailer');
}
