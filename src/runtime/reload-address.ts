import { formatAddress } from '../config/address.ts';
import type { Address, Config } from '../config/config.ts';
import { assertFree } from '../net/listener.ts';
import type { Generation } from './generation.ts';

/**
 * Where the services of a new configuration are to accept: where the same service does already, the address really
 * bound, so that its listener is kept; else the configured one.
 */
export function wantedAddresses(before: Generation, config: Config): readonly (readonly Address[])[] {
  return config.services.map(({ name, listen }) => listen.map((address) => boundAs(before, name, address) ?? address));
}

/** Throws `ICAPGW_LISTEN` where an address that nobody here listens on yet is taken. */
export async function assertNewAreFree(before: Generation | undefined, config: Config): Promise<void> {
  for (const { name, listen, sockets } of config.services) {
    const fresh = listen.filter((address) => before === undefined || !isOurs(before, name, address));
    await Promise.all(fresh.map((address) => assertFree(address, sockets.ipv6Only)));
  }
}

function isOurs(before: Generation, name: string, address: Address): boolean {
  if (boundAs(before, name, address) !== undefined) return true;
  // An address may go over from one service to another.
  const text = formatAddress(address);
  return before.addresses.some((bound) => bound.some((each) => formatAddress(each) === text));
}

function boundAs(before: Generation, name: string, address: Address): Address | undefined {
  const index = before.config.services.findIndex((service) => service.name === name);
  const text = formatAddress(address);
  const place = before.config.services[index]?.listen.findIndex((each) => formatAddress(each) === text) ?? -1;
  return place === -1 ? undefined : before.addresses[index]?.[place];
}
