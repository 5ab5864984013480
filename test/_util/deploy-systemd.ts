import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const DEPLOY: string = join(import.meta.dirname, '../../deploy');

export interface Folder extends Disposable {
  readonly path: string;
}

export function makeFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'icapgw-units-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A unit as it would be installed, with its drop-ins, and with a program to start, which verifying insists on. */
export function install(folder: string, unit: string, dropIns: readonly string[], from = 'systemd'): string {
  const program = join(folder, 'icapgw');
  writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 });
  const place = (name: string, to: string): void => {
    const text = readFileSync(join(DEPLOY, from, name), 'utf8');
    writeFileSync(to, text.replaceAll('=icapgw ', `=${program} `));
  };
  const file = join(folder, unit);
  place(unit, file);
  mkdirSync(`${file}.d`);
  for (const name of dropIns) place(`drop-ins/${name}`, join(`${file}.d`, name));
  return file;
}

/** What systemd-analyze has to say. */
export function analyze(...args: readonly string[]): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}
