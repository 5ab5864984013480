import { dirname } from 'node:path';
import type { Config } from '../config/config.ts';

/** The folder that keeps the state of the feed: as configured, that of the service manager, or the configuration's own. */
export function feedFolder({ feeds, file }: Pick<Config, 'feeds' | 'file'>, env: NodeJS.ProcessEnv): string {
  // systemd separates several by colons.
  const [given = ''] = (env['STATE_DIRECTORY'] ?? '').split(':', 1);
  return feeds?.stateDir ?? (given === '' ? dirname(file) : given);
}
