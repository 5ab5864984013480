import type { Config } from '../config/config.ts';
import type { ServiceNames } from '../observe/log-format.ts';
import type { Logger, ServiceLevels } from '../observe/logger.ts';
import type { ToWorker } from './snapshot.ts';

/** The services that have a level of their own for what is told about their connections. */
export function serviceLevels({ services }: Config): ServiceLevels {
  return new Map(services.flatMap(({ name, logLevel }) => (logLevel === undefined ? [] : [[name, logLevel] as const])));
}

/** What stunnel's lines call the services that have the clients of others, which they redirect. */
export function serviceNames({ services }: Config): ServiceNames {
  return new Map(services.flatMap(({ name, redirectOf }) => (redirectOf === undefined ? [] : [[name, redirectOf]])));
}

/** Goes on with the levels and the file of another configuration. Returns what the workers have to know of that. */
export async function followLog(config: Config, log: Logger): Promise<ToWorker> {
  await log.follow(config.log);
  return {
    type: 'log-events',
    enabled: log.setServices(config.log.level, serviceLevels(config), serviceNames(config)),
  };
}
