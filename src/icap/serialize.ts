import { type BodyPart, formatEncapsulated, type Section } from './encapsulated.ts';
import { type Field, TOKEN } from './field.ts';

/** What an Encapsulated field announces; undefined in a message that needs none. */
export interface OutgoingParts {
  readonly sections: readonly Section[];
  readonly body: BodyPart;
}

const LINE_BREAKING = /[\r\n\0]/;

/**
 * A request head and the header blocks after it in one buffer, so that they leave in one packet. `fields` must not hold
 * Encapsulated, which is computed. Throws a `TypeError` for a field that would break out of its line.
 */
export function serializeRequest(
  method: string,
  uri: string,
  fields: readonly Field[],
  parts: OutgoingParts | undefined,
): Buffer {
  return serialize(`${method} ${uri} ICAP/1.0\r\n`, fields, parts);
}

/** The same for a response. */
export function serializeResponse(
  status: number,
  reason: string,
  fields: readonly Field[],
  parts: OutgoingParts | undefined,
): Buffer {
  return serialize(`ICAP/1.0 ${status} ${reason}\r\n`, fields, parts);
}

function serialize(startLine: string, fields: readonly Field[], parts: OutgoingParts | undefined): Buffer {
  let head = startLine;
  for (const { name, value } of fields) {
    if (!TOKEN.test(name) || LINE_BREAKING.test(value)) throw new TypeError(`field ${name} does not fit on a line`);
    head += `${name}: ${value}\r\n`;
  }
  if (parts === undefined) return Buffer.from(`${head}\r\n`, 'latin1');
  head += `Encapsulated: ${formatEncapsulated(parts.sections, parts.body)}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), ...parts.sections.map((section) => section.bytes)]);
}
