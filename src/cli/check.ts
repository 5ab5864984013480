import type { Command } from 'commander';
import type { Config } from '../config/config.ts';
import type { RawPath } from '../config/raw.ts';
import type { Problem } from '../errors.ts';
import { type CliIo, hasColor } from './io.ts';

/**
 * Opens the files that a configuration names, and says what is wrong with them. `lineOf` tells where the configuration
 * writes a key: `['services', 0, 'tls', 'cert']`; `name` is what its user calls it.
 */
export type VerifyMaterial = (
  config: Config,
  lineOf: (path: RawPath) => number,
  name: string,
) => Promise<readonly Problem[]> | readonly Problem[];

const EXAMPLES = `
Examples:
  $ icapgw check /etc/icapgw/icapgw.yaml        every mistake, each with its line
  $ icapgw check /etc/stunnel/stunnel.conf      would icapgw run it as it is?
  $ icapgw check --json icapgw.yaml | jq '.problems[] | select(.severity == "error")'

Exit code: 0 when the file can be used (warnings allowed), 2 when not.`;

/** Adds `check FILE`. Nothing is started and nothing is connected. */
export function addCheckCommand(program: Command, io: CliIo, verifyMaterial: VerifyMaterial): void {
  program
    .command('check')
    .summary('say everything that is wrong with a configuration')
    .description('Checks a configuration, native YAML or stunnel.conf, and prints every problem with its line.')
    .argument('<file>', 'the configuration')
    .option('--json', 'print one JSON object: file, usable, problems')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, options: { readonly json?: true }) => {
      const problems = await findProblems(file, io.cwd, verifyMaterial);
      const usable = problems.every((problem) => problem.severity !== 'error');
      if (options.json === true) io.stdout.write(`${JSON.stringify({ file, usable, problems }, null, 2)}\n`);
      else await printProblems(file, problems, io);
      io.exit(usable ? 0 : 2);
    });
}

async function findProblems(file: string, cwd: string, verifyMaterial: VerifyMaterial): Promise<readonly Problem[]> {
  const { loadConfig, mergeProblems } = await import('../config/load.ts');
  const { config, problems, lineOf } = loadConfig(file, cwd, { streams: true, role: 'any' });
  return config === undefined ? problems : mergeProblems(problems, await verifyMaterial(config, lineOf, file));
}

async function printProblems(file: string, problems: readonly Problem[], io: CliIo): Promise<void> {
  const { formatProblem, summarizeProblems } = await import('./problem-text.ts');
  const color = hasColor(io.stdout, io.env);
  const lines = problems.map((problem) => formatProblem(problem, color));
  io.stdout.write(`${[...lines, `${file}: ${summarizeProblems(problems)}`].join('\n')}\n`);
}
