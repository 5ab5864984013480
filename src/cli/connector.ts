import type { Command } from 'commander';
import { parseSocketAddress } from '../config/address.ts';
import type { AdminConfig } from '../config/config.ts';
import { withoutCredentials } from '../observe/redaction.ts';
import type { CliIo } from './io.ts';
import { runConfig } from './run-config.ts';

const EXAMPLES = `
Examples:
  $ icapgw connector -c /etc/icapgw/config.yaml            the file of the Forcepoint guide, as it is
  $ icapgw connector -c https://intranet.example/feed.yaml  fetched at the start and on SIGHUP; a copy serves when it is away
  $ CONFIG_URL=https://intranet.example/feed.yaml icapgw connector

It takes findings, keeps them in feeds.db and relays them to the SMC: what "feeds" of a configuration says, without ICAP.
The copy and feeds.db are in $STATE_DIRECTORY, else beside the configuration (of a URL: in the working directory).

Signals and exit codes are those of run.`;

interface ConnectorFlags {
  readonly config?: string;
  readonly admin?: string;
}

/** Adds `connector`, the threat feed alone. */
export function addConnectorCommand(program: Command, io: CliIo): void {
  program
    .command('connector')
    .summary('run the threat feed alone: GuardDuty findings to a Forcepoint SMC')
    .description('Takes Amazon GuardDuty findings and relays their addresses to the engines of a Forcepoint SMC.')
    .option('-c, --config <file|url>', 'the configuration, ours or the flat one of the guide (default: $CONFIG_URL)')
    .option('--admin <address>', 'the admin endpoint, HOST:PORT, unix:/PATH or off, in place of admin.listen')
    .addHelpText('after', EXAMPLES)
    .action(async ({ config, admin }: ConnectorFlags, command: Command) => {
      const source = config ?? (io.env['CONFIG_URL'] || undefined);
      if (source === undefined) command.error('error: name the configuration with -c FILE, or its URL in CONFIG_URL');
      const listen = admin === undefined ? undefined : adminAddress(admin, command);
      const { loadConnectorConfig } = await import('../runtime/connector-config.ts');
      const options = { source, admin: listen, cwd: io.cwd, env: io.env };
      const loaded = await loadConnectorConfig({ ...options, streams: true });
      const load = (): ReturnType<typeof loadConnectorConfig> => loadConnectorConfig({ ...options, streams: false });
      await runConfig({ loaded, name: withoutCredentials(source), load }, io);
    });
}

function adminAddress(text: string, command: Command): AdminConfig['listen'] {
  if (text === 'off') return text;
  const address = parseSocketAddress(text);
  if (typeof address === 'string') command.error(`error: --admin: ${address}`);
  return address;
}
