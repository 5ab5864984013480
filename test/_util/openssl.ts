import { spawnSync } from 'node:child_process';

/** What one run of the openssl command said. */
export interface OpensslRun {
  readonly exitCode: number | null;
  /** Both streams; openssl puts results on either. */
  readonly output: string;
}

/** Runs openssl; a machine without it fails the test. */
export function openssl(...args: readonly string[]): OpensslRun {
  const { error, status, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  return { exitCode: status, output: stdout + stderr };
}
