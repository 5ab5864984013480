import { formatAddress } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import type { ConnectionList } from '../observe/connection-entry.ts';
import type { Logger } from '../observe/logger.ts';
import type { StatusSnapshot } from '../observe/status.ts';
import { byteCounts } from '../observe/stunnel-line.ts';
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

/** Warns where fewer files may be open than the configured connections need. */
export function tellFileLimit(config: Config, log: Logger): void {
  const [limit, needed] = [fileLimit(), neededFiles(config)];
  if (limit < needed) log.log('file-limit-low', { limit, needed });
}

/** More of them tell nobody anything, and would push everything else out of a log. */
export const LISTED_CONNECTIONS = 1000;

/** Tells of open connections in the words of stunnel, the oldest first. */
export function tellConnections({ total, connections }: ConnectionList, { services }: Config, log: Logger): void {
  const isClient = new Set(services.filter(speaksTlsToBackends).map(({ name }) => name));
  const listed = connections.map(({ service, bytesIn, bytesOut }) => {
    const [toTls, toSocket] = isClient.has(service) ? [bytesIn, bytesOut] : [bytesOut, bytesIn];
    return `Service [${service}], ${byteCounts(toTls, toSocket)}`;
  });
  log.log('active-connections', { total, listed });
}

function speaksTlsToBackends({ tls, backends }: Config['services'][number]): boolean {
  return tls === undefined && backends.some((backend) => backend.tls !== undefined);
}

/** Tells what each service has carried so far. */
export function tellStatistics({ services }: StatusSnapshot, log: Logger): void {
  for (const { name, connections, bytes } of services) {
    const { active, accepted } = connections;
    log.log('statistics', { service: name, active, accepted, bytesIn: bytes.received, bytesOut: bytes.sent });
  }
}
