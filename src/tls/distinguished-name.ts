import { childrenOf, readTlv, TAG, type Tlv } from './der.ts';

/** Short names OpenSSL prints; any other attribute shows its dotted number. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.42': 'GN',
  '2.5.4.97': 'organizationIdentifier',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
};

/**
 * A DER Name as `C=US, O=Test, CN=x`, in the order of the certificate, escaped as RFC 2253 asks: the text stunnel logs
 * and this program compares. Undefined where the bytes are no Name.
 */
export function readName(bytes: Buffer, name: Tlv): string | undefined {
  const parts: string[] = [];
  for (const rdn of childrenOf(bytes, name)) {
    if (rdn?.tag !== TAG.set) return undefined;
    const attributes: string[] = [];
    for (const attribute of childrenOf(bytes, rdn)) {
      const text = attribute === undefined ? undefined : readAttribute(bytes, attribute);
      if (text === undefined) return undefined;
      attributes.push(text);
    }
    parts.push(attributes.join(' + '));
  }
  return parts.join(', ');
}

/** The same text from what node:crypto gives, which puts each part on its own line. */
export function nameFromLines(lines: string | undefined): string {
  return lines === undefined ? '' : lines.split('\n').join(', ');
}

function readAttribute(bytes: Buffer, attribute: Tlv): string | undefined {
  const type = readTlv(bytes, attribute.valueStart, attribute.end);
  if (type?.tag !== TAG.oid) return undefined;
  const value = readTlv(bytes, type.end, attribute.end);
  if (value === undefined) return undefined;
  const oid = dotted(bytes.subarray(type.valueStart, type.end));
  return `${ATTRIBUTES[oid] ?? oid}=${escapeValue(decode(value.tag, bytes.subarray(value.valueStart, value.end)))}`;
}

function decode(tag: number, value: Buffer): string {
  if (tag === 0x0c) return value.toString('utf8');
  if (tag === 0x1e && value.length % 2 === 0) return Buffer.from(value).swap16().toString('utf16le');
  return value.toString('latin1');
}

function dotted(der: Uint8Array): string {
  const numbers: number[] = [];
  let current = 0;
  for (const byte of der) {
    current = current * 128 + (byte & 0x7f);
    if ((byte & 0x80) !== 0) continue;
    numbers.push(current);
    current = 0;
  }
  const [head = 0, ...rest] = numbers;
  const root = Math.min(2, Math.floor(head / 40));
  return [root, head - root * 40, ...rest].join('.');
}

function escapeValue(text: string): string {
  return text
    .replace(/[,+"\\<>;]|^[# ]| $/g, '\\$&')
    .replace(/\p{Cc}/gu, (char) => `\\${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
