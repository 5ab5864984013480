import { formatAddress } from '../config/address.ts';
import type { Address, Config, ServiceConfig } from '../config/config.ts';
import { GatewayError } from '../errors.ts';
import { assertFree } from '../net/listener.ts';
import type { Logger } from '../observe/logger.ts';
import type { Generation } from './generation.ts';

/**
 * Where the services of a new configuration are to accept: where the same service does already, the address really
 * bound, so that its listener is kept; else the configured one.
 */
export function wantedAddresses(before: Generation, config: Config): readonly (readonly Address[])[] {
  return config.services.map(({ name, listen }) => listen.map((address) => boundAs(before, name, address) ?? address));
}

/**
 * Looks whether every address that nobody here listens on yet is free. Throws `ICAPGW_LISTEN` where one is not; a
 * service that needs only some of its addresses loses it in the configuration that is returned.
 */
export async function keepFree(before: Generation | undefined, config: Config, log: Logger): Promise<Config> {
  const services: ServiceConfig[] = [];
  for (const service of config.services) {
    const problems = await Promise.all(service.listen.map((address) => problemOf(before, service, address)));
    const [first] = problems.filter((problem) => problem !== undefined);
    const listen = service.listen.filter((_, index) => problems[index] === undefined);
    if (first !== undefined && (service.listenRequire === 'all' || listen.length === 0)) throw first;
    for (const [index, problem] of problems.entries()) {
      if (problem !== undefined) tellSkipped(service, service.listen[index] as Address, problem, log);
    }
    services.push(first === undefined ? service : { ...service, listen });
  }
  return services.every((service, index) => service === config.services[index]) ? config : { ...config, services };
}

async function problemOf(
  before: Generation | undefined,
  { name, sockets }: ServiceConfig,
  address: Address,
): Promise<GatewayError | undefined> {
  if (before !== undefined && isOurs(before, name, address)) return undefined;
  try {
    await assertFree(address, sockets.ipv6Only);
    return undefined;
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

function tellSkipped({ name }: ServiceConfig, address: Address, problem: GatewayError, log: Logger): void {
  const { cause, message } = problem;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  log.log('listen-skipped', { service: name, address: formatAddress(address), code, detail: message });
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
