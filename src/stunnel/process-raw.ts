import type { StunnelHost } from './host.ts';
import { explain } from './option.ts';
import { FOREGROUND } from './option-process.ts';
import { SERVICE_KEYS } from './override.ts';
import type { Placed } from './place.ts';
import type { Put } from './put.ts';
import type { RawBuilder } from './raw-builder.ts';
import type { Report } from './report.ts';
import type { SectionedFile } from './section-reader.ts';
import { putOverride } from './service-raw.ts';

/** Writes what a configuration says about the process: everything outside `services`. */
export function putProcess(file: SectionedFile, host: StunnelHost, builder: RawBuilder, report: Report): void {
  const put: Put = (key, value, place) => {
    builder.set(key.split('.'), value, place?.rootLine ?? 0);
  };
  const { level } = file.globals;
  put('log.level', level?.value ?? 'notice', level?.place);
  putSyslog(file, host, put);
  const connectionId = readConnectionId(file, report);
  if (connectionId !== undefined) put('log.connection-id', connectionId.value, connectionId.place);
  for (const [key, { value, place }] of file.process.values) put(key, value, place);
  if (host === 'run') tellHost(file, report);
  for (const override of file.overrides) {
    const { path } = override.value;
    if (path[0] === 'services') {
      report.error(override.place, 'icapgw.services: the services of this file are its sections; write [name]');
    } else if (SERVICE_KEYS.has(path[0])) {
      report.error(
        override.place,
        `icapgw.${path.join('.')}: is about one service: write it in each [section] that is to have it`,
      );
    } else putOverride(override, [], builder, report);
  }
}

/** stunnel names connections differently in each section; here they are named alike in all. */
function readConnectionId({ globals, sections }: SectionedFile, report: Report): Placed<string> | undefined {
  const given = sections.map(({ draft }) => draft.connectionId).filter((id) => id !== undefined);
  const [first = globals.connectionId] = given;
  for (const { value, place } of given) {
    if (value !== first?.value) report.warn(place, `logId: it is the same for all services: ${first?.value}`);
  }
  return first;
}

/** Where stunnel's messages to syslog come from, as far as the file says so. */
function putSyslog({ process, globals }: SectionedFile, host: StunnelHost, put: Put): void {
  const { syslog } = process;
  if (syslog?.value === false || (syslog === undefined && host === 'run')) return;
  put('log.syslog', {}, syslog?.place);
  put('log.syslog.facility', globals.facility?.value ?? 'daemon', globals.facility?.place);
  put('log.syslog.ident', globals.name?.value ?? 'stunnel', globals.name?.place);
}

// With a log file, `yes` would copy the log to standard error; without one, `quiet` would keep it from there.
function tellHost({ process }: SectionedFile, report: Report): void {
  const { foreground } = process;
  if (foreground === undefined) return;
  const differs = foreground.value === 'no' || (foreground.value === 'yes') === process.values.has('log.file');
  if (differs) report.warn(foreground.place, `foreground: ${explain(FOREGROUND)}`);
}
