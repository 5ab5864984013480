import { HOP_BY_HOP_FIELDS } from './hop-by-hop.ts';
import { quotedIstag } from './istag.ts';
import type { ResponseHead } from './response-head.ts';

const DROPPED: ReadonlySet<string> = new Set(HOP_BY_HOP_FIELDS);

/** What the gateway itself says in a backend's answer on its way to the client. */
export interface OutgoingResponse {
  /** With its quotes, in place of the backend's; undefined passes that one on. */
  readonly istag: string | undefined;
  /** The gateway closes the client's connection after this answer. */
  readonly close: boolean;
  /** Takes the place of the backend's field of that name; undefined: there is none. */
  readonly own: OwnField | undefined;
}

/** A field that the gateway writes itself. */
export interface OwnField {
  /** Its name in lower case. */
  readonly key: string;
  /** With its line end. Every part of it must have passed a parser or `checkField`. */
  readonly line: string;
}

/**
 * The field lines of an answer for the client: the backend's in their order and spelling, without those that concern the
 * backend's connection. Without Encapsulated and the blank line.
 */
export function responseFields(head: ResponseHead, out: OutgoingResponse): string {
  let lines = out.istag === undefined ? '' : `ISTag: ${out.istag}\r\n`;
  if (out.own !== undefined) lines += out.own.line;
  for (const { key, name, value } of head.fields) {
    if (DROPPED.has(key) || key === out.own?.key) continue;
    switch (key) {
      case 'istag':
        // RFC 3507 4.7 has it quoted; squidclamav sends it bare.
        if (out.istag === undefined) lines += `${name}: ${quotedIstag(value)}\r\n`;
        break;
      case 'allow':
        lines += allowLine(name, value);
        break;
      default:
        lines += `${name}: ${value}\r\n`;
    }
  }
  return out.close ? `${lines}Connection: close\r\n` : lines;
}

/** ICAP trailers are read and dropped, so none may be announced. */
function allowLine(name: string, value: string): string {
  if (!/trailers/i.test(value)) return `${name}: ${value}\r\n`;
  const items = value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '' && item.toLowerCase() !== 'trailers');
  return items.length === 0 ? '' : `${name}: ${items.join(', ')}\r\n`;
}
