import { echoParts } from '../../icap/echo.ts';
import { type BodyPart, formatEncapsulated, type Section } from '../../icap/encapsulated.ts';
import type { OwnField } from '../../icap/response-fields.ts';
import { statusLine } from '../../icap/serialize.ts';
import { reasonPhrase } from '../../icap/status.ts';
import type { BlockPageMessage } from '../../policy/block-page.ts';

/** For answers about paths that no backend has described: RFC 3507 4.7 wants a tag in every response. */
export const DEFAULT_ISTAG = '"icapgw"';
const NOTHING_FOLLOWS = 'Encapsulated: null-body=0\r\n\r\n';

/** What every answer of the gateway's own carries. */
export interface LocalFields {
  readonly istag: string | undefined;
  /** Whether the connection closes after it. */
  readonly close: boolean;
  readonly own: OwnField | undefined;
}

/** An answer that consists of its status: 204, or an error. */
export function statusAnswer(status: number, fields: LocalFields): string {
  return `${statusLine(status, reasonPhrase(status))}${lines(fields)}${NOTHING_FOLLOWS}`;
}

/** The beginning of a 200 that gives the client its own message back: everything before the body. */
export function echoStart(
  method: string,
  sections: readonly Section[],
  body: BodyPart,
  fields: LocalFields,
): readonly (string | Buffer)[] {
  const parts = echoParts(method, sections, body);
  const encapsulated = formatEncapsulated(parts.sections, parts.body);
  return [
    `${statusLine(200, reasonPhrase(200))}${lines(fields)}Encapsulated: ${encapsulated}\r\n\r\n`,
    ...parts.sections.map(({ bytes }) => bytes),
  ];
}

/** A 200 that stands a page in for the content. Legal for REQMOD and RESPMOD alike, and needs no Allow. */
export function blockAnswer({ header, body }: BlockPageMessage, fields: LocalFields): readonly (string | Buffer)[] {
  const encapsulated = formatEncapsulated([{ part: 'res-hdr', bytes: header }], 'res-body');
  return [
    `${statusLine(200, reasonPhrase(200))}${lines(fields)}Encapsulated: ${encapsulated}\r\n\r\n`,
    header,
    `${body.length.toString(16)}\r\n`,
    body,
    '\r\n0\r\n\r\n',
  ];
}

function lines({ istag, close, own }: LocalFields): string {
  return `ISTag: ${istag ?? DEFAULT_ISTAG}\r\n${own?.line ?? ''}${close ? 'Connection: close\r\n' : ''}`;
}
