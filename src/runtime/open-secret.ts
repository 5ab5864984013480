import { statSync } from 'node:fs';
import type { Problem } from '../errors.ts';

const OTHERS_READ = 0o004;

/** The warning that `what`, a secret, is written into a configuration which every account can read; undefined where that is not so. */
export function openSecretProblem(file: string, line: number, what: string): Problem | undefined {
  if (!isReadByAll(file)) return undefined;
  const message = `${what} stands in this file, which every account can read: chmod 640, or put it in a file of its own`;
  return { severity: 'warning', file, line, message, code: 'ICAPGW_CONFIG_UNSAFE' };
}

/** The warning, as a sentence, that `what`, a secret, has a file of its own which every account can read; undefined where that is not so. */
export function openSecretFileProblem(file: string, what: string): string | undefined {
  return isReadByAll(file) ? `${file}: holds ${what} and every account can read it: chmod 640` : undefined;
}

function isReadByAll(file: string): boolean {
  // Not there: standard input, or what was removed since it was read.
  const stats = statSync(file, { throwIfNoEntry: false });
  return process.platform !== 'win32' && stats?.isFile() === true && (stats.mode & OTHERS_READ) !== 0;
}
