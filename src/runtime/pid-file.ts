import { unlink, writeFile } from 'node:fs/promises';
import { messageOf, RuntimeError } from '../errors.ts';

/** Writes this process's number for init scripts. Throws `ICAPGW_FILE_WRITE`. */
export async function writePidFile(file: string): Promise<void> {
  try {
    // A link that somebody put there is replaced, not followed.
    await removePidFile(file);
    await writeFile(file, `${process.pid}\n`, { mode: 0o644, flag: 'wx' });
  } catch (cause) {
    throw new RuntimeError('ICAPGW_FILE_WRITE', { detail: `${file} (pid-file): ${messageOf(cause)}`, cause });
  }
}

/** Removes it at a clean end; one that is gone already is as good. */
export async function removePidFile(file: string): Promise<void> {
  await unlink(file).catch(() => {});
}
