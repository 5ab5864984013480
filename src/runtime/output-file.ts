import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, RuntimeError } from '../errors.ts';

/** A file to write: keys are for the owner alone, certificates for everybody. */
export interface OutputFile {
  readonly name: string;
  readonly mode: 0o600 | 0o644;
  readonly content: string;
}

/** Throws RuntimeError that names every file of `names` that is there already. */
export function refuseExisting(dir: string, names: readonly string[]): void {
  const existing = names.filter((name) => exists(join(dir, name)));
  if (existing.length === 0) return;
  const verb = existing.length === 1 ? 'exists' : 'exist';
  fail(`${existing.join(', ')} ${verb} already in ${dir}: --force replaces, --out names another folder`);
}

/** Whether anything has this name, a dangling symbolic link included. */
export function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    // Where it cannot be told, writing will fail with the reason.
    return false;
  }
}

/** Makes the folder, missing parents included. */
export function makeFolder(dir: string): void {
  if (existsSync(dir) && statSync(dir).isDirectory()) return;
  if (exists(dir)) fail(`${dir} is not a folder`);
  // One by one: mkdir's own `recursive` never returns where a parent exists but takes no folder, as in /proc.
  makeFolder(dirname(dir));
  try {
    mkdirSync(dir);
  } catch (cause) {
    fail(`the folder ${dir} cannot be made: ${messageOf(cause)}`, cause);
  }
}

/**
 * Writes all files to temporary ones first and renames them at the end, so that a full disk leaves what was there as
 * it was, and no reader ever sees half a key or one that others may read.
 */
export function writeFiles(dir: string, files: readonly OutputFile[]): void {
  const suffix = randomBytes(6).toString('hex');
  const staged = files.map((file) => ({ ...file, temporary: join(dir, `.${file.name}.${suffix}`) }));
  try {
    for (const { temporary, mode, content } of staged) {
      writeFileSync(temporary, content, { mode, flag: 'wx', flush: true });
      // The umask may have taken permissions away.
      chmodSync(temporary, mode);
    }
    for (const { temporary, name } of staged) renameSync(temporary, join(dir, name));
  } catch (cause) {
    for (const { temporary } of staged) rmSync(temporary, { force: true });
    fail(`${dir} cannot be written to: ${messageOf(cause)}`, cause);
  }
}

function fail(detail: string, cause?: unknown): never {
  throw new RuntimeError('ICAPGW_FILE_WRITE', { detail, cause });
}
