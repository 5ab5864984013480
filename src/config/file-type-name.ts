import { createRequire } from 'node:module';
import { nearest } from './suggestion.ts';

const require = createRequire(import.meta.url);

// Asked only where a configuration names file types: loading the package takes 50 ms.
function knownNames(): readonly string[] {
  const { supportedExtensions, supportedMimeTypes } = require('file-type') as typeof import('file-type');
  return [...supportedExtensions, ...supportedMimeTypes].map((name) => name.toLowerCase());
}

/** Whether files of this type can be told by their first bytes: `pdf`, `application/pdf` and `video/*` can. */
export function isFileTypeName(name: string): boolean {
  const wanted = name.toLowerCase();
  const known = knownNames();
  return wanted.endsWith('/*') ? known.some((type) => type.startsWith(wanted.slice(0, -1))) : known.includes(wanted);
}

/** The type that was probably meant by one that is not known. */
export function nearestFileType(name: string): string | undefined {
  return nearest(name.replace(/^\./, ''), knownNames());
}
