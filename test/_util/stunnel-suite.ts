import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fetchDebianSource } from './debian-source.ts';

export type SuiteResult = 'succeeded' | 'failed' | 'skipped' | 'hangs';

export interface SuiteRun {
  readonly result: SuiteResult;
  /** What the suite logged, for a person who has to find out why. */
  readonly log: string;
}

/** stunnel's own tests, unpacked and with their certificates. */
export interface StunnelSuite {
  /** Their numbers, three digits each: the tests of plugin `p05` are `051`, `052` and so on. */
  readonly numbers: readonly string[];
  /** Runs one test against a program that takes stunnel's command line. */
  run(program: string, number: string): Promise<SuiteRun>;
}

/** The real one. */
export const STUNNEL: string = '/usr/bin/stunnel4';
/** Debian's own, which is what Debian runs the suite with. */
const PYTHON = '/usr/bin/python3';
const RUNNER = join(import.meta.dirname, 'stunnel-suite-run.py');
/** No test of the suite has a time limit of its own; the longest takes about four seconds with stunnel. */
const LIMIT_SECONDS = 90;

/** Fetches the suite of Debian's stunnel4 and prepares it in `folder`. Throws NoSourceError where it cannot be had. */
export async function prepareStunnelSuite(folder: string): Promise<StunnelSuite> {
  const tests = join(await fetchDebianSource('stunnel4', folder), 'tests');
  const certificates = join(tests, 'certs');
  // Its exit code says nothing; that the tests find their certificates does.
  await promisify(execFile)('./maketestcert.sh', { cwd: certificates }).catch(() => {});
  return {
    numbers: numbersIn(join(tests, 'plugins')),
    async run(program, number) {
      const logs = mkdtempSync(join(folder, `logs-${number}-`));
      const options = ['--program', program, '--certs', certificates, '--logs', logs, '--debug', '10'];
      // Only with this variable it takes a program whose OpenSSL it does not know.
      const env = { ...process.env, AUTOPKGTEST_TMP: logs, TMPDIR: folder, PYTHONDONTWRITEBYTECODE: '1' };
      // It makes itself the head of a process group, and ends all of it: programs that a hanging test leaves, too.
      const limit = ['--signal=KILL', String(LIMIT_SECONDS), PYTHON, RUNNER, tests, number, ...options];
      const child = spawn('timeout', limit, { env, stdio: 'ignore' });
      await once(child, 'exit');
      const result = resultOf(readText(join(logs, 'summary.log')));
      return { result, log: readText(join(logs, 'results.log')) };
    },
  };
}

function numbersIn(plugins: string): readonly string[] {
  const texts = readdirSync(plugins).map((name) => (name.endsWith('.py') ? readText(join(plugins, name)) : ''));
  return texts
    .flatMap((text) => [...text.matchAll(/description = ['"](\d{3})\. /g)].map(([, number = '']) => number))
    .sort();
}

function resultOf(summary: string): SuiteResult {
  const [, result = 'hangs'] = /^\.{9,} (succeeded|failed|skipped)$/m.exec(summary) ?? [];
  return result as SuiteResult;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
