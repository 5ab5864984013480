import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, TlsMaterialError } from '../errors.ts';

/** Certificates, keys and bundles; a system's whole CA bundle is about 220 KiB. */
export const MAX_PEM_BYTES: number = 4 * 1024 * 1024;
const MAX_FOLDER_FILES = 1000;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied: the account that runs icapgw may not read it',
  EPERM: 'permission denied: the account that runs icapgw may not read it',
  ENOTDIR: 'a part of the path is not a folder',
  ELOOP: 'the symbolic links lead in a circle',
};

/** The error for one file, with the file's name in front so that the text stands alone in a log. */
export function materialError(file: string, text: string, cause?: unknown): TlsMaterialError {
  return new TlsMaterialError(file, { detail: `${file}: ${text}`, cause });
}

/** Reads a whole regular file of at most `maxBytes`; throws TlsMaterialError for everything else. */
export function readMaterialFile(file: string, maxBytes: number): Buffer {
  const stats = statMaterial(file);
  if (stats.isDirectory()) throw materialError(file, 'is a folder where a file is needed');
  // A pipe or a device could block the start for ever.
  if (!stats.isFile()) throw materialError(file, 'is not a regular file');
  if (stats.size > maxBytes) {
    throw materialError(file, `has ${stats.size} bytes, more than the ${maxBytes} that are read`);
  }
  try {
    return readFileSync(file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** The path itself for a file; for a folder the files in it whose name `pattern` matches, sorted, not deeper. */
export function expandPath(path: string, pattern: RegExp): string[] {
  return statMaterial(path).isDirectory() ? listFolder(path, pattern) : [path];
}

/** Whether the operating system lets accounts that are neither the owner nor in the group read the file. */
export function isWorldAccessible(file: string): boolean {
  return process.platform !== 'win32' && (statMaterial(file).mode & 0o007) !== 0;
}

function listFolder(folder: string, pattern: RegExp): string[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => pattern.test(name));
  } catch (cause) {
    throw unreadable(folder, cause);
  }
  if (names.length > MAX_FOLDER_FILES) {
    throw materialError(folder, `holds ${names.length} files, more than the ${MAX_FOLDER_FILES} that are read`);
  }
  return names
    .sort()
    .map((name) => join(folder, name))
    .filter((file) => !statMaterial(file).isDirectory());
}

function statMaterial(file: string): Stats {
  try {
    return statSync(file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(file: string, cause: unknown): TlsMaterialError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return materialError(file, REASONS[code] ?? messageOf(cause), cause);
}
