import { isIP, SocketAddress } from 'node:net';
import { isCidr } from '../config/cidr.ts';
import { canonicalAddress } from '../feeds/canonical-address.ts';

/** One spelling for each address and network, so that it can be found again; undefined for anything else. */
export function canonicalBlock(text: string): string | undefined {
  if (!isCidr(text)) return undefined;
  const [address = '', prefix] = text.split('/');
  if (prefix === undefined) return canonicalAddress(address);
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  const { address: plain } = new SocketAddress({ address, family });
  return `${plain}/${Number(prefix)}`;
}

/** What to write in its place. */
export function notAnAddress(text: string): string {
  const shown = JSON.stringify(text.slice(0, 64));
  return `${shown} is neither an address nor a network: write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32`;
}
