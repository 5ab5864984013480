import { isIPv4, SocketAddress } from 'node:net';

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** One spelling per IPv6 address (RFC 5952), whatever valid one it came in. */
export function canonicalIpv6(address: string): string {
  return new SocketAddress({ address, family: 'ipv6' }).address;
}

/** An address as a dual-stack socket reports it, with the IPv4 form for IPv4 clients and without a zone. */
export function plainAddress(address: string): string {
  const [unscoped = ''] = address.split('%', 1);
  return MAPPED_IPV4.exec(unscoped)?.[1] ?? unscoped;
}

/** The 4 or 16 bytes of a valid address, in network order. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = canonicalIpv6(address).split('::');
  const left = groupBytes(head);
  const right = groupBytes(tail ?? '');
  return Buffer.concat([left, Buffer.alloc(16 - left.length - right.length), right]);
}

/** The text of 4 or 16 bytes in network order. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return canonicalIpv6(groups.join(':'));
}

function groupBytes(groups: string): Buffer {
  if (groups === '') return Buffer.alloc(0);
  const parts = groups.split(':').map((group) => {
    // The last 32 bits may be written as IPv4: ::ffff:192.0.2.1.
    return group.includes('.') ? addressBytes(group) : Buffer.from(group.padStart(4, '0'), 'hex');
  });
  return Buffer.concat(parts);
}
