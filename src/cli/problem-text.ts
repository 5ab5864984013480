import { styleText } from 'node:util';
import type { Problem } from '../errors.ts';

/** One problem as `FILE:LINE: error: text [CODE]`, which editors and scripts know how to read; without `:LINE` for a whole file. */
export function formatProblem(problem: Problem, color: boolean): string {
  const { severity, file, line, message, code } = problem;
  const place = line === 0 ? file : `${file}:${line}`;
  if (!color) return `${place}: ${severity}: ${message} [${code}]`;
  const paint = (format: Parameters<typeof styleText>[0], text: string) =>
    styleText(format, text, { validateStream: false });
  const tone = severity === 'error' ? 'red' : 'yellow';
  return `${paint('bold', `${place}:`)} ${paint(tone, `${severity}:`)} ${message} ${paint('dim', `[${code}]`)}`;
}

/** `usable`, `usable, 2 warnings`, `3 errors, 1 warning`. */
export function summarizeProblems(problems: readonly Problem[]): string {
  const errorCount = problems.filter((problem) => problem.severity === 'error').length;
  const warningCount = problems.length - errorCount;
  const parts = [errorCount === 0 ? 'usable' : plural(errorCount, 'error')];
  if (warningCount > 0) parts.push(plural(warningCount, 'warning'));
  return parts.join(', ');
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
