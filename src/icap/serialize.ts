import { type BodyPart, formatEncapsulated, type Section } from './encapsulated.ts';
import { checkField, type Field } from './field.ts';

/** What an Encapsulated field announces; undefined in a message that needs none. */
export interface OutgoingParts {
  readonly sections: readonly Section[];
  readonly body: BodyPart;
}

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
  return serialize(requestLine(method, uri), fields, parts);
}

/** The same for a response. */
export function serializeResponse(
  status: number,
  reason: string,
  fields: readonly Field[],
  parts: OutgoingParts | undefined,
): Buffer {
  return serialize(statusLine(status, reason), fields, parts);
}

function serialize(startLine: string, fields: readonly Field[], parts: OutgoingParts | undefined): Buffer {
  let lines = '';
  for (const field of fields) {
    checkField(field);
    lines += `${field.name}: ${field.value}\r\n`;
  }
  return serializeLines(startLine, lines, parts);
}

/**
 * The same from ready lines, each with its line end, which are not checked again: every part of them must have passed a
 * parser or `checkField`.
 */
export function serializeLines(startLine: string, fieldLines: string, parts: OutgoingParts | undefined): Buffer {
  if (parts === undefined) return Buffer.from(`${startLine}${fieldLines}\r\n`, 'latin1');
  const { sections, body } = parts;
  const head = `${startLine}${fieldLines}Encapsulated: ${formatEncapsulated(sections, body)}\r\n\r\n`;
  let size = head.length;
  for (const { bytes } of sections) size += bytes.length;
  const message = Buffer.allocUnsafe(size);
  let at = message.write(head, 'latin1');
  for (const { bytes } of sections) at += bytes.copy(message, at);
  return message;
}

/** The first line of a request to a backend. */
export function requestLine(method: string, uri: string): string {
  return `${method} ${uri} ICAP/1.0\r\n`;
}

/** The first line of an answer. */
export function statusLine(status: number, reason: string): string {
  return `ICAP/1.0 ${status} ${reason}\r\n`;
}
