import type { Command } from 'commander';
import type { Conversion } from '../config/convert.ts';
import type { Problem } from '../errors.ts';
import { type CliIo, hasColor } from './io.ts';

const EXAMPLES = `
Examples:
  $ icapgw convert /etc/stunnel/stunnel.conf > icapgw.yaml
  $ icapgw check icapgw.yaml

A conversion is never needed: icapgw runs a stunnel.conf as it is. The result means the same, says only what differs
from the defaults, and has absolute paths. Exit code: 0, or 2 when the file cannot be used.`;

/** Adds `convert FILE`. The result goes to standard output only when it is whole. */
export function addConvertCommand(program: Command, io: CliIo): void {
  program
    .command('convert')
    .summary('turn a stunnel.conf into native YAML')
    .description('Writes a stunnel.conf as native YAML to standard output, and warnings to standard error.')
    .argument('<file>', 'the stunnel.conf')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string) => {
      const { text, problems } = await convert(file, io.cwd);
      const { formatProblem } = await import('./problem-text.ts');
      const color = hasColor(io.stderr, io.env);
      for (const problem of problems) io.stderr.write(`${formatProblem(problem, color)}\n`);
      if (text !== undefined) io.stdout.write(text);
      io.exit(text === undefined ? 2 : 0);
    });
}

/** Converts one file. `cwd` is where its relative paths are looked for, as stunnel does. */
async function convert(file: string, cwd: string): Promise<Conversion> {
  const { loadDocument, mergeProblems } = await import('../config/load.ts');
  const { document, problems, readRemarks } = loadDocument(file, cwd, { streams: true });
  if (document === undefined) return { text: undefined, problems };
  if (document.format === 'yaml') return { text: undefined, problems: [...problems, alreadyNative(file)] };
  const { convertStunnel } = await import('../config/convert.ts');
  const { text, problems: found } = convertStunnel(document, readRemarks(), cwd);
  const isUsable = problems.every((problem) => problem.severity !== 'error');
  return { text: isUsable ? text : undefined, problems: mergeProblems(problems, found) };
}

function alreadyNative(file: string): Problem {
  const message = 'is native YAML already; there is nothing to convert';
  return { severity: 'error', file, line: 0, message, code: 'ICAPGW_CONFIG_INVALID' };
}
