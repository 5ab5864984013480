import type { LoadedConfig } from '../config/load.ts';
import type { ConfigWatch } from '../runtime/config-watch.ts';
import { type CliIo, hasColor } from './io.ts';
import { verifyConfig } from './verify.ts';
import { readVersion } from './version.ts';

export interface RunConfigOptions {
  readonly loaded: LoadedConfig;
  /** What its user calls the configuration. */
  readonly name: string;
  readonly watch?: ConfigWatch | undefined;
  /** Reads it again where it is not simply its file. */
  readonly load?: (() => Promise<LoadedConfig>) | undefined;
}

/** Runs a configuration until a signal ends it; one that cannot be used is said so, with every mistake. */
export async function runConfig({ loaded, name, watch, load }: RunConfigOptions, io: CliIo): Promise<void> {
  const { mergeProblems } = await import('../config/load.ts');
  const { config, problems, lineOf } = loaded;
  const verified = config === undefined ? undefined : await verifyConfig(config, lineOf, name);
  const all = mergeProblems(problems, verified?.problems ?? []);
  if (config === undefined || verified === undefined || all.some(({ severity }) => severity === 'error')) {
    const { formatProblem, summarizeProblems } = await import('./problem-text.ts');
    const color = hasColor(io.stderr, io.env);
    const lines = all.map((problem) => formatProblem(problem, color));
    io.stderr.write(`${[...lines, `${name}: ${summarizeProblems(all)}`].join('\n')}\n`);
    // A service manager starts again what ended with 1, and is told by 2 that this would not help.
    io.exit(loaded.isAway === true ? 1 : 2);
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
    load,
  });
  io.exit(0);
}
