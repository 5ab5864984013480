import type { Comment, Place, Statement } from './place.ts';
import type { Report } from './report.ts';

/** The longest line stunnel keeps in one piece; it cuts a longer one and reads the rest as another line. */
export const MAX_LINE_BYTES = 16_383;

/**
 * Reads the lines of one file as stunnel does: comments only at the start of a line, no quoting, no continuation, the
 * first `=` separates. Names keep the spelling of the file. Stops early once `report` is full.
 */
export function* readLines(
  text: string,
  placeOf: (line: number) => Place,
  report: Report,
): Generator<Statement | Comment> {
  const body = text.startsWith('\uFEFF') ? text.slice(1) : text;
  let line = 0;
  for (const raw of body.split('\n')) {
    line += 1;
    if (report.full) return;
    const content = trim(raw.replaceAll('\r', ''));
    if (content === '') continue;
    const place = placeOf(line);
    if (content.startsWith('#') || content.startsWith(';')) {
      yield { kind: 'comment', text: content, place };
      continue;
    }
    if (isTooLong(content)) {
      report.error(place, `the line is longer than ${MAX_LINE_BYTES} bytes`, 'ICAPGW_CONFIG_SYNTAX');
      continue;
    }
    const statement = readStatement(content, place, report);
    if (statement !== undefined) yield statement;
  }
}

function readStatement(content: string, place: Place, report: Report): Statement | undefined {
  if (content.startsWith('[') && content.endsWith(']')) {
    return { kind: 'section', name: content.slice(1, -1), place };
  }
  const separator = content.indexOf('=');
  if (separator < 0) {
    report.error(place, missingSeparator(content), 'ICAPGW_CONFIG_SYNTAX');
    return undefined;
  }
  const name = trim(content.slice(0, separator));
  return { kind: 'setting', name, value: trim(content.slice(separator + 1)), place };
}

function missingSeparator(content: string): string {
  if (/^\[[^\]]*\]\s*[;#]/.test(content))
    return "No '=' found: a comment must stand on a line of its own, not behind a [section]";
  if (content.startsWith('[')) return `No '=' found: a [section] line must end in "]"`;
  return `No '=' found: neither a [section] nor an option; options are written as "name = value"`;
}

function isTooLong(content: string): boolean {
  // A UTF-16 unit takes at most three bytes, so that short lines need no counting.
  return content.length * 3 > MAX_LINE_BYTES && Buffer.byteLength(content) > MAX_LINE_BYTES;
}

/** Removes what C's isspace() calls white space in the C locale; a no-break space is not, there or here. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}
