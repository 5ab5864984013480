import type { Config } from './config.ts';

/** Whether standard input and output are a connection of a service: the process is over when that is. */
export function hasStandardClient({ services }: Pick<Config, 'services'>): boolean {
  return services.some(({ listen }) => listen.some(({ kind }) => kind === 'stdio'));
}
