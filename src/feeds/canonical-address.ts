import { isIpv4, isIpv6 } from '../config/cidr.ts';

const MAPPED_IPV4 = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/;

/**
 * The one spelling of an address: an IPv6 one as short as RFC 5952 makes it, one that only wraps an IPv4 address as that.
 * Undefined for everything else: a name, a network, a zone, a number with leading zeros, blanks around it.
 */
export function canonicalAddress(text: string): string | undefined {
  if (isIpv4(text)) return text;
  if (!isIpv6(text)) return undefined;
  const shortest = URL.parse(`http://[${text}]/`)?.hostname.slice(1, -1);
  const [, high, low] = MAPPED_IPV4.exec(shortest ?? '') ?? [];
  return high === undefined || low === undefined
    ? shortest
    : dotted(Number.parseInt(high, 16), Number.parseInt(low, 16));
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}
