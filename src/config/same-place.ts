import { posix } from 'node:path';
import { isIpv4, isIpv6 } from './cidr.ts';
import type { BackendAddress } from './config.ts';

/**
 * Whether two addresses lead to the same place however they are written: names in another case or with a dot behind,
 * `localhost`, IPv6 addresses with other zeros, IPv4 ones in IPv6, paths with `.` and `..`. What other names lead to is
 * not looked up.
 */
export function isSamePlace(a: BackendAddress, b: BackendAddress): boolean {
  const places = new Set(placesOf(a));
  return placesOf(b).some((place) => places.has(place));
}

function placesOf(address: BackendAddress): readonly string[] {
  if (address.kind === 'srv') return [`srv:${plainName(address.name)}`];
  if (address.kind === 'unix') return [`unix:${posix.normalize(address.path)}`];
  if (address.kind === 'exec') return [`exec:${posix.normalize(address.program)}`];
  const { host, port } = address;
  const name = plainName(host);
  const hosts = name === 'localhost' ? ['127.0.0.1', '::1'] : [plainAddress(name)];
  return hosts.map((each) => `${each} ${port}`);
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** An address in its shortest form; a name as it is. */
function plainAddress(host: string): string {
  const [address = '', zone] = host.split('%');
  if (isIpv4(host) || !isIpv6(address)) return host;
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(short) ?? [];
  if (high !== undefined && low !== undefined) {
    const bits = [high, low].map((group) => Number.parseInt(group, 16));
    return bits.flatMap((group) => [group >> 8, group & 0xff]).join('.');
  }
  return zone === undefined ? short : `${short}%${zone}`;
}
