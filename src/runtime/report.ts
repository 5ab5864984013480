import { formatAddress } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import { namedServices } from '../config/redirect.ts';
import { hasStandardClient } from '../config/standard-client.ts';
import { tlsSideOf } from '../config/tls-side.ts';
import type { ConnectionList } from '../observe/connection-entry.ts';
import type { Logger } from '../observe/logger.ts';
import type { StatusSnapshot } from '../observe/status.ts';
import { countsOf } from '../observe/stunnel-line.ts';
import { fileLimit, neededFiles } from './file-limit.ts';
import type { Generation } from './generation.ts';
import type { LoadedService } from './material.ts';

/**
 * Tells where services accept that did not before, and which of the new ones speak in clear. In stunnel's format all are
 * told: stunnel binds anew with each configuration, and scripts read the port from there.
 */
export function tellListening(
  before: Generation | undefined,
  current: Generation,
  material: readonly LoadedService[],
  log: Logger,
): void {
  for (const [index, { name, redirectOf }] of current.config.services.entries()) {
    const told = current.config.log.format === 'stunnel' ? undefined : before;
    const known = new Set(told?.addressesOf(name).map(formatAddress));
    for (const address of (current.addresses[index] ?? []).map(formatAddress)) {
      if (!known.has(address)) log.log('listening', { service: name, address });
    }
    const isNew = before?.poolOf(name) === undefined;
    if (isNew && redirectOf === undefined && material[index]?.material === undefined)
      log.log('plain-service', { service: name });
  }
}

/** Nothing where the only client is there already: nobody waits for it. */
export function tellReady(config: Config, ms: number, log: Logger): void {
  if (hasStandardClient(config)) return;
  const { services, workers } = config;
  log.log('ready', { services: namedServices(services).length, workers, ms: Math.round(ms) });
}

/** Warns where fewer files may be open than the configured connections need. */
export function tellFileLimit(config: Config, log: Logger): void {
  const [limit, needed] = [fileLimit(), neededFiles(config)];
  if (limit < needed) log.log('file-limit-low', { limit, needed });
}

/** More of them tell nobody anything, and would push everything else out of a log. */
export const LISTED_CONNECTIONS = 1000;

/** Tells what each service has carried so far, and before that of these open connections where there is a list of them. */
export function tellNumbers(
  status: StatusSnapshot,
  list: ConnectionList | undefined,
  config: Config,
  log: Logger,
): void {
  if (list !== undefined) tellConnections(list, config, log);
  tellStatistics(status, config, log);
}

/** In the words of stunnel, the oldest first. */
function tellConnections({ total, connections }: ConnectionList, { services }: Config, log: Logger): void {
  const configured = new Map(services.map((service) => [service.name, service]));
  const listed = connections.map(({ service: name, bytesIn, bytesOut }) => {
    const service = configured.get(name);
    const side = service && tlsSideOf(service);
    return `Service [${service?.redirectOf ?? name}], ${countsOf({ bytesIn, bytesOut, side })}`;
  });
  log.log('active-connections', { total, listed });
}

function tellStatistics({ services }: StatusSnapshot, config: Config, log: Logger): void {
  const sides = new Map(config.services.map((service) => [service.name, tlsSideOf(service)]));
  for (const { name, connections, bytes } of services) {
    const { active, accepted } = connections;
    const [bytesIn, bytesOut, side] = [bytes.received, bytes.sent, sides.get(name)];
    log.log('statistics', { service: name, active, accepted, bytesIn, bytesOut, side });
  }
}
