import type { Config } from '../config/config.ts';
import { feedFolder } from '../feeds/feed-folder.ts';

/** Where a configuration that came from a stream would be. */
const STREAMS = /^\/(?:dev|proc)(?:\/|$)/;

/** Where a gateway keeps what is to survive it, as its feed does; undefined where there is no such place. */
export function stateFolderOf(config: Pick<Config, 'file' | 'feeds'>, env: NodeJS.ProcessEnv): string | undefined {
  const folder = feedFolder(config, env);
  return STREAMS.test(folder) ? undefined : folder;
}
