import type { Config } from '../config/config.ts';
import type { ServiceLevels } from '../observe/logger.ts';

/** The services that have a level of their own for what is told about their connections. */
export function serviceLevels({ services }: Config): ServiceLevels {
  return new Map(services.flatMap(({ name, logLevel }) => (logLevel === undefined ? [] : [[name, logLevel] as const])));
}
