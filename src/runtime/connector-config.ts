import { isLocal } from '../config/address.ts';
import type { AdminConfig, Config } from '../config/config.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import type { Problem } from '../errors.ts';
import { withoutCredentials } from '../observe/redaction.ts';
import { isConfigUrl, loadConfigUrl } from './config-url.ts';
import { verifyFiles } from './file-check.ts';

export interface ConnectorConfigOptions {
  /** A file, or the http or https URL of one. */
  readonly source: string;
  /** Takes the place of what the configuration says. */
  readonly admin: AdminConfig['listen'] | undefined;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Whether it may come from standard input: only what is read once may. */
  readonly streams: boolean;
}

/**
 * Reads what the connector is to do: the feed of a native file or the flat file of the guide, without anything else that
 * a gateway would run. Never rejects for what it finds, as `loadConfig`.
 */
export async function loadConnectorConfig(options: ConnectorConfigOptions): Promise<LoadedConfig> {
  const { source, cwd, env, streams } = options;
  const scheme = /^([a-z][a-z\d+.-]+):\/\//i.exec(source)?.[1];
  if (scheme !== undefined && !isConfigUrl(source)) return unknownScheme(source, scheme);
  const loaded = isConfigUrl(source)
    ? await loadConfigUrl(source, {
        ...{ cwd, env },
        // The same as is asked below, and later of every configuration: what fails then must not have become the copy.
        objections: async (config, lineOf) => {
          const alone = feedAlone(config, options.admin);
          return [...(exposure(alone, lineOf) ?? []), ...(await verifyFiles(alone, lineOf))];
        },
      })
    : loadConfig(source, cwd, { role: 'connector', streams });
  const { config } = loaded;
  if (config === undefined) return loaded;
  const alone = feedAlone(config, options.admin);
  const problems = exposure(alone, loaded.lineOf);
  return problems === undefined
    ? { ...loaded, config: alone }
    : { ...loaded, config: undefined, problems: [...loaded.problems, ...problems] };
}

function unknownScheme(source: string, scheme: string): LoadedConfig {
  const message = `cannot be fetched by ${scheme}: name a file, or an http or https URL`;
  const file = withoutCredentials(source);
  const problem: Problem = { severity: 'error', file, line: 0, message, code: 'ICAPGW_CONFIG_READ' };
  return { config: undefined, problems: [problem], lineOf: () => 0, texts: new Map(), foreground: undefined };
}

function feedAlone(config: Config, listen: AdminConfig['listen'] | undefined): Config {
  const admin = listen === undefined ? config.admin : { ...config.admin, listen, explicit: true };
  return Object.freeze({ ...config, admin, services: [], workers: 0 });
}

/** The configuration's own address was looked at when it was read; the one in its place was not. */
function exposure({ admin, file }: Config, lineOf: LoadedConfig['lineOf']): readonly Problem[] | undefined {
  if (admin.listen === 'off' || admin.tokenFile !== undefined || isLocal(admin.listen)) return undefined;
  const message = '--admin: the address can be reached from elsewhere; add admin.token-file, or listen on 127.0.0.1';
  return [{ severity: 'error', file, line: lineOf(['admin']), message, code: 'ICAPGW_CONFIG_INVALID' }];
}
