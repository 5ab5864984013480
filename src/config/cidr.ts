import { INVALID, type Kind, scalar } from './kind.ts';

const IPV4_PART = /^(?:0|[1-9]\d{0,2})$/;
const IPV6_GROUP = /^[0-9a-f]{1,4}$/i;

/** Four decimal numbers without leading zeros, which some systems read as octal. */
export function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => IPV4_PART.test(part) && Number(part) <= 255);
}

/** Without brackets and without a zone. */
export function isIpv6(text: string): boolean {
  if (text.length > 45) return false;
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const last = groups.at(-1);
  let count = groups.length;
  // The last 32 bits may be written as an IPv4 address, which fills two groups.
  if (last?.includes('.') === true && !text.endsWith('::')) {
    if (!isIpv4(last)) return false;
    groups.pop();
    count += 1;
  }
  if (!groups.every((group) => IPV6_GROUP.test(group))) return false;
  return halves.length === 2 ? count < 8 : count === 8;
}

/** An address, or a network as `10.0.0.0/8` or `2001:db8::/32`. */
export function isCidr(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  if (rest.length > 0) return false;
  const bits = isIpv4(address) ? 32 : isIpv6(address) ? 128 : 0;
  if (bits === 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
}

/** A network of clients. */
export const CIDR: Kind<string> = scalar({
  type: 'network',
  expected: 'an address or a network such as 10.0.0.0/8 or 2001:db8::/32',
  parse: (raw) => (typeof raw === 'string' && isCidr(raw) ? raw : INVALID),
  write: (value) => value,
});

/** An address of this machine, without a port. */
export const IP_ADDRESS: Kind<string> = scalar({
  type: 'IP address',
  expected: 'an IP address such as 10.0.0.1 or 2001:db8::1',
  parse: (raw) => (typeof raw === 'string' && (isIpv4(raw) || isIpv6(raw)) ? raw : INVALID),
  write: (value) => value,
});
