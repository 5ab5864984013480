import { isAbsolute } from 'node:path';
import type { RawBuilder } from './raw-builder.ts';
import type { Report } from './report.ts';
import type { SectionedFile } from './section-reader.ts';

/** stunnel ends at once and cuts everything; whoever stops a service expects an end soon. */
const DRAIN_TIMEOUT = '5s';

/** Writes what holds when the file is read as stunnel reads it: where the log goes, and how soon the process ends. */
export function putLaunch({ process }: SectionedFile, builder: RawBuilder, report: Report): void {
  const foreground = process.foreground?.value ?? 'no';
  const output = process.values.get('log.file');
  builder.set(['log', 'format'], 'stunnel', 0);
  builder.set(['drain-timeout'], DRAIN_TIMEOUT, 0);
  // A file that is named takes the place of these when what the options say is written.
  builder.set(['log', 'file'], foreground === 'yes' ? '-' : 'off', 0);
  if (output !== undefined && foreground === 'yes') builder.set(['log', 'stderr'], true, 0);
  if (foreground !== 'no') return;
  // The process leaves its folder.
  for (const [key, name] of [
    ['log.file', 'Log file'],
    ['pid-file', 'Pid file'],
  ] as const) {
    const given = process.values.get(key);
    if (given === undefined || isAbsolute(String(given.value))) continue;
    report.error({ ...given.place, line: 0 }, `Global options: ${name} must include full path name`);
  }
}
