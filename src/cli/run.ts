import type { Command } from 'commander';
import type { ConfigWatch } from '../runtime/config-watch.ts';
import { type CliIo, hasColor } from './io.ts';
import { verifyConfig } from './verify.ts';
import { readVersion } from './version.ts';

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
      const { loadConfig, mergeProblems } = await import('../config/load.ts');
      const watch = isWatched === undefined ? undefined : await watchConfig(file, io.cwd);
      const { config, problems, lineOf } = loadConfig(file, io.cwd, { streams: true });
      const verified = config === undefined ? undefined : await verifyConfig(config, lineOf, file);
      const all = mergeProblems(problems, verified?.problems ?? []);
      if (config === undefined || verified === undefined || all.some(({ severity }) => severity === 'error')) {
        const { formatProblem, summarizeProblems } = await import('./problem-text.ts');
        const color = hasColor(io.stderr, io.env);
        const lines = all.map((problem) => formatProblem(problem, color));
        io.stderr.write(`${[...lines, `${file}: ${summarizeProblems(all)}`].join('\n')}\n`);
        io.exit(2);
        return;
      }
      const { run } = await import('../runtime/run.ts');
      await run({
        config,
        material: verified.services,
        warnings: all,
        version: readVersion(),
        color: hasColor(io.stderr, io.env),
        complain: (text) => io.stderr.write(text),
        watch,
      });
      io.exit(0);
    });
}

async function watchConfig(file: string, cwd: string): Promise<ConfigWatch> {
  const { ConfigWatch } = await import('../runtime/config-watch.ts');
  return new ConfigWatch(file, cwd);
}
