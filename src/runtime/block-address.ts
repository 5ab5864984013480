import { isCidr } from '../config/cidr.ts';
import { canonicalAddress } from '../feeds/canonical-address.ts';
import { addressBytes, addressText } from '../net/proxy-protocol/ip-address.ts';

/** How long the part is that `::ffff:192.0.2.0/120` has before its IPv4 network. */
const MAPPED_BITS = 96;

/**
 * One spelling for each address and network, so that it can be found again: a network by its first address, one of a
 * single address as that. Undefined for anything else.
 */
export function canonicalBlock(text: string): string | undefined {
  if (!isCidr(text)) return undefined;
  const [written = '', prefix] = text.split('/');
  const address = canonicalAddress(written);
  if (address === undefined || prefix === undefined) return address;
  const isMapped = written.includes(':') && !address.includes(':') && Number(prefix) >= MAPPED_BITS;
  const bytes = addressBytes(isMapped ? address : written);
  const bits = Number(prefix) - (isMapped ? MAPPED_BITS : 0);
  return bits === bytes.length * 8 ? address : `${addressText(firstOf(bytes, bits))}/${bits}`;
}

/** What to write in its place. */
export function notAnAddress(text: string): string {
  const shown = JSON.stringify(text.slice(0, 64));
  return `${shown} is neither an address nor a network: write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32`;
}

function firstOf(bytes: Buffer, prefix: number): Buffer {
  return Buffer.from(bytes.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - index * 8)))));
}
