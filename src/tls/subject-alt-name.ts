import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';

/** One name a certificate is good for; text already in the form that goes into the certificate. */
export interface SubjectAltName {
  readonly kind: 'DNS' | 'IP' | 'EMAIL' | 'URI';
  readonly text: string;
}

/**
 * Reads one name as people write it: `DNS:host`, `IP:address`, `EMAIL:user@host`, `URI:uri`; without a kind an address
 * is an IP and anything else DNS. A name in another script becomes its `xn--` form. Undefined where it fits no kind.
 */
export function parseSubjectAltName(written: string): SubjectAltName | undefined {
  const match = /^(dns|ip|email|uri):(.*)$/is.exec(written.trim());
  const text = (match?.[2] ?? written).trim();
  switch (match?.[1]?.toUpperCase() ?? (isIP(text) === 0 ? 'DNS' : 'IP')) {
    case 'IP':
      return isIP(text) === 0 ? undefined : { kind: 'IP', text };
    case 'EMAIL':
      return /^[\x21-\x7e]+@[\x21-\x7e]+$/.test(text) ? { kind: 'EMAIL', text } : undefined;
    case 'URI':
      return /^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/i.test(text) ? { kind: 'URI', text } : undefined;
    default:
      return parseDnsName(text);
  }
}

/** The bytes of an IP address as RFC 5280 4.2.1.6 has them: 4 or 16. */
export function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  // URL parsing writes every form of IPv6, one with a dotted tail too, as hexadecimal groups.
  const groups = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1);
  const [head = '', tail] = groups.split('::');
  const before = splitGroups(head);
  const after = splitGroups(tail ?? '');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const bytes = Buffer.alloc(16);
  [...before, ...Array<number>(zeros).fill(0), ...after].forEach((group, i) => {
    bytes.writeUInt16BE(group, i * 2);
  });
  return bytes;
}

function parseDnsName(text: string): SubjectAltName | undefined {
  const wildcard = text.startsWith('*.') ? '*.' : '';
  const ascii = domainToASCII(text.slice(wildcard.length));
  const name = wildcard + ascii;
  const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
  const isName = name.length <= 253 && new RegExp(`^(?:${label}\\.)*${label}$`, 'i').test(ascii) && isIP(ascii) === 0;
  return isName ? { kind: 'DNS', text: name } : undefined;
}

function splitGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}
