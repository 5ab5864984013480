import type { LogLevel } from '../config/config.ts';
import type { StunnelHost } from './host.ts';
import { explain } from './option.ts';
import { FOREGROUND, SYSLOG } from './option-process.ts';
import type { Place, Placed } from './place.ts';
import type { RawBuilder } from './raw-builder.ts';
import type { Report } from './report.ts';
import type { SectionedFile } from './section-reader.ts';
import { putOverride } from './service-raw.ts';

/** From talkative to taciturn. */
const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'notice', 'warning', 'error'];

/** Writes what a configuration says about the process: everything outside `services`. */
export function putProcess(file: SectionedFile, host: StunnelHost, builder: RawBuilder, report: Report): void {
  const level = readLogLevel(file, report);
  const put = (key: string, value: unknown, place?: Place) => {
    builder.set(key.split('.'), value, place?.rootLine ?? 0);
  };
  put('log.level', level.value, level.place);
  for (const [key, { value, place }] of file.process.values) put(key, value, place);
  if (host === 'run') tellHost(file, report);
  for (const override of file.overrides) {
    if (override.value.path[0] !== 'services') putOverride(override, [], builder, report);
    else report.error(override.place, 'icapgw.services: the services of this file are its sections; write [name]');
  }
}

/** stunnel has a level for each service; here the most talkative one counts, so that nothing asked for is missing. */
function readLogLevel(file: SectionedFile, report: Report): { value: LogLevel; place: Place | undefined } {
  const global = file.globals.level;
  let chosen: { value: LogLevel; place: Place | undefined } = global ?? { value: 'notice', place: undefined };
  for (const { draft } of file.sections) {
    const own: Placed<LogLevel> | undefined = draft.level;
    if (own === undefined || own.place.order === global?.place.order) continue;
    report.warn(own.place, 'debug: there is one level for the whole process; the most talkative one counts');
    if (LOG_LEVELS.indexOf(own.value) < LOG_LEVELS.indexOf(chosen.value)) chosen = own;
  }
  return chosen;
}

// With a log file, `yes` would copy the log to standard error; without one, `quiet` would keep it from there.
function tellHost({ process }: SectionedFile, report: Report): void {
  const { foreground, syslog } = process;
  if (syslog?.value === true) report.warn(syslog.place, `syslog: ${explain(SYSLOG)}`);
  if (foreground === undefined) return;
  const differs = foreground.value === 'no' || (foreground.value === 'yes') === process.values.has('log.file');
  if (differs) report.warn(foreground.place, `foreground: ${explain(FOREGROUND)}`);
}
