import { sha256Hex } from './certificate.ts';
import { isWorldAccessible, materialError, readMaterialFile } from './file.ts';

/** One line of a file of pre-shared keys. */
export interface PskLine {
  readonly identity: string;
  readonly keyHex: string;
}

/** A whole file of them; plain values, so that it goes to workers as it is. */
export interface PskFile {
  /** At least one, each identity once, in the order of the file. */
  readonly lines: readonly PskLine[];
  /** Of identities and keys. */
  readonly hash: string;
  /** Each names the file and what to do. */
  readonly warnings: readonly string[];
}

const MAX_FILE_BYTES = 1024 * 1024;
// OpenSSL's limits; an identity ends with a zero byte there.
const MAX_IDENTITY_BYTES = 255;
const MAX_KEY_BYTES = 256;
const MIN_KEY_BYTES = 16;

/**
 * Reads `IDENTITY:KEY` lines as stunnel does: a key of hexadecimal digits, with or without colons, is taken for the bytes it
 * stands for, any other for its own. Throws TlsMaterialError, which names the line and never repeats it.
 */
export function loadPskFile(file: string): PskFile {
  const lines = decode(file)
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
    .flatMap((line, index) => (line === '' ? [] : [parseLine(line, (text) => lineError(file, index + 1, text))]));
  if (lines.length === 0) throw materialError(file, 'holds no IDENTITY:KEY line');
  const known = new Set<string>();
  for (const { identity } of lines) {
    if (known.has(identity)) throw materialError(file, `has the identity ${JSON.stringify(identity)} twice`);
    known.add(identity);
  }
  const isOpen = isWorldAccessible(file);
  const warnings = isOpen ? [`${file}: holds pre-shared keys and every account can read it: chmod 600`] : [];
  return { lines, hash: sha256Hex(JSON.stringify(lines)), warnings };
}

function parseLine(line: string, errorOf: (text: string) => Error): PskLine {
  const colon = line.indexOf(':');
  if (colon < 1) throw errorOf('Not in identity:key format');
  const identity = line.slice(0, colon);
  if (Buffer.byteLength(identity) > MAX_IDENTITY_BYTES) {
    throw errorOf(`Identity longer than ${MAX_IDENTITY_BYTES} characters`);
  }
  if (/\p{Cc}/u.test(identity)) throw errorOf('Identity with a control character');
  const key = keyOf(line.slice(colon + 1));
  if (key.length > MAX_KEY_BYTES) throw errorOf(`Key longer than ${MAX_KEY_BYTES} bytes`);
  if (key.length < MIN_KEY_BYTES)
    throw errorOf(`Key shorter than ${MIN_KEY_BYTES} bytes; openssl rand -hex 32 makes one`);
  return { identity, keyHex: key.toString('hex') };
}

function keyOf(text: string): Buffer {
  const isHex = /^(?:[0-9a-f]{2}:?)+$/i.test(text);
  return isHex ? Buffer.from(text.replaceAll(':', ''), 'hex') : Buffer.from(text);
}

/** TLS takes identities as UTF-8. */
function decode(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readMaterialFile(file, MAX_FILE_BYTES));
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw materialError(file, 'is not text in UTF-8', cause);
  }
}

/** In stunnel's words, which its users look for. */
function lineError(file: string, line: number, text: string): Error {
  return materialError(file, `PSKsecrets line ${line}: ${text}`);
}
