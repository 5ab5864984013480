import { readFileSync } from 'node:fs';

const FOLDER = new URL('../vectors/', import.meta.url);

/** The bytes of one file in test/vectors, named without its ending. */
export function vector(name: string): Buffer {
  return readFileSync(new URL(`${name}.bin`, FOLDER));
}

/** A request whose Encapsulated field fits, built from text. `lines` are the ICAP fields besides it. */
export function reqmod(lines: readonly string[], http: string, body: string): Buffer {
  const part = body === '' ? 'null-body' : 'req-body';
  return Buffer.from(
    [
      'REQMOD icap://h/reqmod ICAP/1.0',
      'Host: h',
      ...lines,
      `Encapsulated: req-hdr=0, ${part}=${http.length}`,
      '',
      `${http}${body}`,
    ].join('\r\n'),
    'latin1',
  );
}

/** A small HTTP request head for `reqmod`. */
export const HTTP_POST = 'POST /form HTTP/1.1\r\nHost: www\r\n\r\n';
