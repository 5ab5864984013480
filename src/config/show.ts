/** What must not reach a terminal or break a line: controls, invisible formatting, the line separators of Unicode. */
export const CONTROL_CHARACTER: RegExp = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

const CONTROL_CHARACTERS = new RegExp(CONTROL_CHARACTER, 'gu');
const MAX_SHOWN_LENGTH = 60;

/** Text from a document as a message may carry it: on one line, nothing hidden in it. */
export function printable(text: string): string {
  return text.replace(CONTROL_CHARACTERS, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** A refused value for a message: short, and text in quotes. */
export function show(raw: unknown): string {
  if (Array.isArray(raw)) return raw.length === 0 ? 'an empty list' : 'a list';
  if (typeof raw === 'string') {
    return `"${printable(raw.length > MAX_SHOWN_LENGTH ? `${raw.slice(0, MAX_SHOWN_LENGTH)}...` : raw)}"`;
  }
  if (raw === null || raw === undefined) return 'nothing';
  return typeof raw === 'object' ? 'a mapping' : String(raw);
}
