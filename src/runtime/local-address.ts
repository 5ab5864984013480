import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Config, ServiceConfig } from '../config/config.ts';
import { messageOf, RuntimeError } from '../errors.ts';

/**
 * Puts addresses in the place of the names that services connect to their backends from. Throws `ICAPGW_LOCAL_ADDRESS`
 * where one does not resolve.
 */
export async function resolveLocalAddresses(config: Config): Promise<Config> {
  const services = await Promise.all(config.services.map(resolveLocalAddress));
  return services.every((service, index) => service === config.services[index]) ? config : { ...config, services };
}

async function resolveLocalAddress(service: ServiceConfig): Promise<ServiceConfig> {
  const { localAddress } = service.sockets;
  if (localAddress === undefined || isIP(localAddress) !== 0) return service;
  try {
    const { address } = await lookup(localAddress);
    return { ...service, sockets: { ...service.sockets, localAddress: address } };
  } catch (cause) {
    const detail = `service ${service.name}: ${localAddress}: ${messageOf(cause)}`;
    throw new RuntimeError('ICAPGW_LOCAL_ADDRESS', { detail, cause });
  }
}
