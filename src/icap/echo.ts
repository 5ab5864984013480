import type { BodyPart, Section } from './encapsulated.ts';
import type { OutgoingParts } from './serialize.ts';

/**
 * The parts of a 200 that returns what the client sent: the way to let content pass where a 204 is not legal. An answer
 * to RESPMOD must not hold the request (RFC 3507 4.4.1).
 */
export function echoParts(method: string, sections: readonly Section[], body: BodyPart): OutgoingParts {
  if (method !== 'RESPMOD') return { sections, body };
  return { sections: sections.filter(({ part }) => part === 'res-hdr'), body };
}
