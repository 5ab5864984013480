import { IcapProtocolError } from '../errors.ts';

/** The two extensions ICAP gives a meaning, both on the last chunk only. */
export interface LastChunk {
  /** The whole body fitted into the preview (RFC 3507 4.5). */
  readonly ieof: boolean;
  /** From which byte on the original body goes on (206 Partial Content), or undefined. */
  readonly useOriginalBody: number | undefined;
}

export const PLAIN_LAST_CHUNK: LastChunk = { ieof: false, useOriginalBody: undefined };

const EXTENSION =
  /[ \t]*;[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:[ \t]*=[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[^"\\]|\\.)*"))?[ \t]*/y;
const PRINTABLE = /^[\t\x20-\x7e\x80-\xff]*$/;
const DECIMAL = /^\d{1,16}$/;

/**
 * Reads the extensions of one chunk. They are taken apart with their quoting in mind: `x="; ieof"` holds no ieof.
 * Unknown ones are skipped. `offset` is where the chunk's line begins.
 */
export function parseChunkExtensions(text: string, offset: number): LastChunk {
  const fail = (detail: string): IcapProtocolError =>
    new IcapProtocolError('ICAPGW_ICAP_BAD_CHUNK', { offset, detail });
  if (!PRINTABLE.test(text)) throw fail('a control character in an extension');

  let ieof = false;
  let useOriginalBody: number | undefined;
  EXTENSION.lastIndex = 0;
  for (let at = 0; at < text.length; at = EXTENSION.lastIndex) {
    const [, name = '', value] = EXTENSION.exec(text) ?? [];
    switch (name.toLowerCase()) {
      case '':
        throw fail('a malformed extension');
      case 'ieof':
        ieof = true;
        break;
      case 'use-original-body':
        if (value === undefined || !DECIMAL.test(value) || !Number.isSafeInteger(Number(value))) {
          throw fail('use-original-body is not a number');
        }
        useOriginalBody = Number(value);
        break;
    }
  }
  return { ieof, useOriginalBody };
}
