import { readFile, unlink, writeFile } from 'node:fs/promises';
import { messageOf, RuntimeError } from '../errors.ts';

/** Writes this process's number for init scripts. Throws `ICAPGW_FILE_WRITE`. */
export async function writePidFile(file: string): Promise<void> {
  try {
    // A link that somebody put there is replaced, not followed.
    await unlink(file).catch(() => {});
    await writeFile(file, `${process.pid}\n`, { mode: 0o644, flag: 'wx' });
  } catch (cause) {
    throw new RuntimeError('ICAPGW_FILE_WRITE', { detail: `${file} (pid-file): ${messageOf(cause)}`, cause });
  }
}

/** Removes it at a clean end. One that another process has written meanwhile, as its successor may have, stays. */
export async function removePidFile(file: string): Promise<void> {
  const written = await readFile(file, 'utf8').catch(() => '');
  if (written.trim() === String(process.pid)) await unlink(file).catch(() => {});
}
