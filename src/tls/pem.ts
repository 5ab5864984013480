import { childrenOf, isPkcs12, readTlv, TAG } from './der.ts';
import { MAX_PEM_BYTES, materialError, readMaterialFile } from './file.ts';

const MAX_BLOCKS = 1000;

/** One `-----BEGIN label-----` to `-----END label-----`. */
export interface PemBlock {
  readonly label: string;
  /** The block itself, without what stood around it, each line ended by LF. */
  readonly text: string;
  /** 1-based line of its BEGIN. */
  readonly line: number;
}

/** Reads a PEM file of at most 4 MiB and cuts it into blocks. */
export function loadPem(file: string): PemBlock[] {
  return splitPem(file, readMaterialFile(file, MAX_PEM_BYTES));
}

/**
 * Cuts a PEM file into its blocks, in file order. Text around blocks, CRLF, a byte order mark, the UTF-16 that
 * PowerShell's `>>` writes, and blocks glued together by `cat` without a last newline are all taken. Throws
 * TlsMaterialError with the way out for a file that holds no block at all, or a block without an end.
 */
export function splitPem(file: string, bytes: Buffer): PemBlock[] {
  const text = decode(bytes).replaceAll('\r\n', '\n');
  const blocks: PemBlock[] = [];
  const begin = /-----BEGIN ([A-Z0-9][A-Z0-9 ]*)-----/g;
  let line = 1;
  let counted = 0;
  for (let match = begin.exec(text); match !== null; match = begin.exec(text)) {
    const label = match[1] ?? '';
    line += countLines(text, counted, match.index);
    counted = match.index;
    const footer = `-----END ${label}-----`;
    const end = text.indexOf(footer, begin.lastIndex);
    if (end === -1)
      throw materialError(file, `the ${label} that begins on line ${line} has no END line: it was cut off`);
    if (blocks.length === MAX_BLOCKS) throw materialError(file, `holds more than ${MAX_BLOCKS} PEM blocks`);
    begin.lastIndex = end + footer.length;
    blocks.push({ label, text: `${text.slice(match.index, begin.lastIndex)}\n`, line });
  }
  if (blocks.length === 0) throw materialError(file, describeNoPem(file, bytes));
  return blocks;
}

/** The DER inside a block; undefined where the body is not base64. */
export function derOf(block: PemBlock): Buffer | undefined {
  const body = block.text.slice(`-----BEGIN ${block.label}-----`.length, block.text.lastIndexOf('-----END '));
  if (!/^[A-Za-z0-9+/\s]*=?\s*=?\s*$/.test(body)) return undefined;
  return Buffer.from(body, 'base64');
}

/** DER as a PEM block with lines of 64 characters, ended by LF. */
export function toPem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  const lines: string[] = [];
  for (let at = 0; at < base64.length; at += 64) lines.push(`${base64.slice(at, at + 64)}\n`);
  return `-----BEGIN ${label}-----\n${lines.join('')}-----END ${label}-----\n`;
}

/** The kinds of block in a file as a person reads them, for an error that says what was found instead. */
export function describeBlocks(blocks: readonly PemBlock[]): string {
  return [...new Set(blocks.map((block) => block.label))].join(', ');
}

function decode(bytes: Buffer): string {
  return bytes[0] === 0xff && bytes[1] === 0xfe ? bytes.toString('utf16le') : bytes.toString('latin1');
}

function countLines(text: string, from: number, to: number): number {
  let count = 0;
  for (let at = text.indexOf('\n', from); at !== -1 && at < to; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

function describeNoPem(file: string, bytes: Buffer): string {
  if (bytes.toString('latin1').trim() === '') return 'is empty';
  const output = `${file.replace(/\.[^./\\]*$/, '')}.pem`;
  if (isPkcs12(bytes)) {
    return `is PKCS#12 (.p12, .pfx) where PEM is needed: openssl pkcs12 -in "${file}" -nodes -out "${output}" converts it`;
  }
  const outer = readTlv(bytes, 0);
  if (outer?.tag !== TAG.sequence) return 'holds no PEM block (a line that begins with -----BEGIN)';
  const [first] = childrenOf(bytes, outer);
  if (first?.tag !== TAG.integer) {
    return `is DER where PEM is needed: openssl x509 -inform DER -in "${file}" -out "${output}" converts a certificate`;
  }
  return `is DER where PEM is needed: openssl pkey -inform DER -in "${file}" -out "${output}" converts a key`;
}
