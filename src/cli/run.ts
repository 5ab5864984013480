import type { Command } from 'commander';
import type { ConfigWatch } from '../runtime/config-watch.ts';
import type { CliIo } from './io.ts';
import { runConfig } from './run-config.ts';

const EXAMPLES = `
Examples:
  $ icapgw run -c /etc/icapgw/icapgw.yaml
  $ icapgw run -c /etc/stunnel/stunnel.conf     the same, from an existing stunnel configuration
  $ icapgw run -c /config/icapgw.yaml --watch   also loaded again when the file changes, as in Kubernetes

Signals: SIGTERM and SIGINT stop accepting and let connections finish (drain-timeout); a second one ends at once.
         SIGHUP loads the configuration again, without losing a connection; one that cannot be used changes nothing.
         SIGUSR1 opens the log files again, SIGUSR2 logs statistics.
Exit code: 0 after a signal, 1 when it cannot run (a port in use), 2 when the configuration cannot be used.`;

/** Adds `run`, the gateway itself, in the foreground. */
export function addRunCommand(program: Command, io: CliIo): void {
  program
    .command('run')
    .summary('run the gateway in the foreground')
    .description('Runs the gateway in the foreground until SIGTERM or SIGINT.')
    .requiredOption('-c, --config <file>', 'the configuration: native YAML or stunnel.conf, told apart by its content')
    .option('--watch', 'load the configuration again when it, or a file it includes, changes on the disk')
    .addHelpText('after', EXAMPLES)
    .action(async ({ config: file, watch: isWatched }: { readonly config: string; readonly watch?: true }) => {
      const { prepareThread } = await import('../runtime/worker-thread.ts');
      prepareThread();
      const { loadConfig } = await import('../config/load.ts');
      const watch = isWatched === undefined ? undefined : await watchConfig(file, io.cwd);
      await runConfig({ loaded: loadConfig(file, io.cwd, { streams: true }), name: file, watch }, io);
    });
}

async function watchConfig(file: string, cwd: string): Promise<ConfigWatch> {
  const { ConfigWatch } = await import('../runtime/config-watch.ts');
  return new ConfigWatch(file, cwd);
}
