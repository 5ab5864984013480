const REQUEST_LINE = /^(\S+) (\S+)(?: HTTP\/\d(?:\.\d)?)?\r?$/;
const STATUS_LINE = /^HTTP\/\d(?:\.\d)? (\d{3})(?!\d)/;
/** More than the longest status line that matters. */
const STATUS_LINE_BYTES = 32;
const FOLD = /\r?\n[ \t]+/g;
const FOLDED = /^[ \t]/;

/** The value of the first field of this name in an HTTP header block, unfolded, as Latin-1. */
export function httpField(block: Buffer, name: string): string | undefined {
  const text = block.toString('latin1');
  const wanted = name.toLowerCase();
  for (let lf = text.indexOf('\n'); lf !== -1; lf = text.indexOf('\n', lf + 1)) {
    const colon = lf + 1 + wanted.length;
    if (text[colon] === ':' && text.slice(lf + 1, colon).toLowerCase() === wanted) return valueAfter(text, colon);
  }
  return undefined;
}

/**
 * The values of all fields of this name, for those who must not miss one: also with blanks before the colon, which RFC 9112
 * 5.1 forbids and some take.
 */
export function httpFields(block: Buffer, name: string): readonly string[] {
  const text = block.toString('latin1');
  const wanted = name.toLowerCase();
  const values: string[] = [];
  for (let lf = text.indexOf('\n'); lf !== -1; lf = text.indexOf('\n', lf + 1)) {
    let colon = lf + 1 + wanted.length;
    if (text.slice(lf + 1, colon).toLowerCase() !== wanted) continue;
    while (text[colon] === ' ' || text[colon] === '\t') colon += 1;
    if (text[colon] === ':') values.push(valueAfter(text, colon));
  }
  return values;
}

function valueAfter(text: string, colon: number): string {
  let end = text.indexOf('\n', colon);
  while (end !== -1 && FOLDED.test(text.charAt(end + 1))) end = text.indexOf('\n', end + 1);
  return text
    .slice(colon + 1, end === -1 ? text.length : end)
    .replaceAll(FOLD, ' ')
    .trim();
}

/** Method and target of an HTTP request, as they were written. */
export function httpRequestLine(block: Buffer): { readonly method: string; readonly target: string } | undefined {
  const lf = block.indexOf('\n');
  const [, method, target] = REQUEST_LINE.exec(block.toString('latin1', 0, lf === -1 ? block.length : lf)) ?? [];
  return method === undefined || target === undefined ? undefined : { method, target };
}

/** The status of an HTTP response. */
export function httpStatus(block: Buffer): number | undefined {
  const digits = STATUS_LINE.exec(block.toString('latin1', 0, STATUS_LINE_BYTES))?.[1];
  return digits === undefined ? undefined : Number(digits);
}
