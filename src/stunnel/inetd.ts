import type { Place } from './place.ts';
import type { RawBuilder } from './raw-builder.ts';
import type { SectionedFile } from './section-reader.ts';

/** A file without sections is one section, whose only client is at standard input and output. It has no pid file. */
export function asInetd(file: SectionedFile, start: Place): SectionedFile {
  const { process, globals } = file;
  const values = new Map([...process.values].filter(([key]) => key !== 'pid-file'));
  const section = { name: '', kind: 'inetd' as const, place: start, draft: globals, overrides: [] };
  return { ...file, process: { ...process, values }, sections: [section] };
}

/** Writes what holds for a process that lives for one connection. */
export function putInetd(builder: RawBuilder): void {
  builder.set(['workers'], 1, 0);
  builder.set(['admin'], { listen: 'off' }, 0);
}
