import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface FileWatchOptions {
  /** Files and folders. */
  readonly paths: readonly string[];
  readonly intervalMs: number;
  /** Whether what is there now was taken; if not, it is offered again. */
  readonly onChange: () => boolean;
}

/**
 * Tells when files on the disk are no longer those that were taken, and once at first, as they may have
 * changed since they were read. It looks again and again instead of asking the kernel: that also sees atomic renames,
 * swapped links and network file systems.
 */
export function watchFiles({ paths, intervalMs, onChange }: FileWatchOptions): Disposable {
  let taken = '';
  const timer = setInterval(() => {
    const current = fingerprint(paths);
    if (current !== taken && onChange()) taken = current;
  }, intervalMs);
  return {
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** Differs when one of the files, or one in the folders, is another or was written to. */
export function fingerprint(paths: readonly string[]): string {
  return paths.flatMap(filesOf).map(stamp).join();
}

function filesOf(path: string): string[] {
  try {
    return readdirSync(path)
      .toSorted()
      .map((name) => join(path, name));
  } catch {
    // A file, or nothing at the moment: its stamp tells which.
    return [path];
  }
}

function stamp(file: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(file);
    return `${file} ${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    // Not there, in a folder that may not be looked into any more, a loop of links: who reads it is told.
    return `${file} ${error instanceof Error && 'code' in error ? String(error.code) : 'gone'}`;
  }
}
