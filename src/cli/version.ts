import { readFileSync } from 'node:fs';
import { PACKAGE_FILE } from '../program-files.ts';

/** The version of this program, from the package it is part of. */
export function readVersion(): string {
  const text = readFileSync(PACKAGE_FILE, 'utf8');
  const { version } = JSON.parse(text) as { readonly version: string };
  return version;
}
