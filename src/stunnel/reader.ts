import type { RawResult } from '../config/raw.ts';
import type { Foreground, StunnelHost } from './host.ts';
import { readStatements, type StunnelSources } from './include.ts';
import { asInetd, putInetd } from './inetd.ts';
import { putLaunch } from './launch-raw.ts';
import type { Place } from './place.ts';
import { putProcess } from './process-raw.ts';
import { RawBuilder } from './raw-builder.ts';
import { quote, Report } from './report.ts';
import { readSections, type SectionedFile } from './section-reader.ts';
import { isOutOfReach, type NamedSection } from './server-name.ts';
import { isComplete, putService, type Section } from './service-raw.ts';

/**
 * Whether a text is a stunnel.conf rather than YAML: the first line that can only be one of the two decides. Where none
 * does, it is YAML.
 */
export function looksLikeStunnel(text: string): boolean {
  return formatOf(text) === 'stunnel';
}

/** Whether a text is YAML for certain, by the same line. */
export function looksLikeYaml(text: string): boolean {
  return formatOf(text) === 'yaml';
}

function formatOf(text: string): 'stunnel' | 'yaml' | undefined {
  const body = text.startsWith('\uFEFF') ? text.slice(1) : text;
  for (const match of body.matchAll(/^[^\S\n]*(\S[^\n]*)$/gm)) {
    const line = (match[1] ?? '').trimEnd();
    if (/^\[.*\]$/.test(line) || /^[A-Za-z][\w.-]*\s*=/.test(line) || line.startsWith(';')) return 'stunnel';
    if (/^(?:---|%YAML|["']?[A-Za-z][\w-]*["']?\s*:(?:\s|$))/.test(line)) return 'yaml';
  }
  return undefined;
}

/** What a stunnel.conf says, with what the YAML format has no key for. */
export interface StunnelResult extends RawResult {
  readonly foreground: Foreground;
}

/**
 * Reads a stunnel.conf into the raw form of the YAML format. Never throws: whatever is wrong or different from stunnel is
 * a problem with file and line. A service without endpoints or certificate is reported and left out; without any
 * service there is no document. Lines of included files are told as the line of the `include` by `lineOf`.
 */
export function readStunnel(
  text: string,
  file: string,
  sources: StunnelSources,
  host: StunnelHost = 'run',
): StunnelResult {
  const report = new Report();
  const start: Place = { file, line: 1, order: 0, rootLine: 1 };
  const read = readSections(readStatements(text, file, sources, report), report);
  const isInetd = host === 'stunnel' && read.sections.length === 0;
  const sectioned = isInetd ? asInetd(read, start) : read;
  const builder = new RawBuilder();
  if (host === 'stunnel') putLaunch(sectioned, builder, report);
  if (isInetd) putInetd(builder);
  putProcess(sectioned, host, builder, report);
  const serviceCount = putServices(sectioned, host, start, builder, report);
  return {
    document:
      serviceCount === 0
        ? undefined
        : { file, format: 'stunnel', value: builder.value, lineOf: (path) => builder.lineOf(path) },
    problems: report.problems,
    foreground: sectioned.process.foreground?.value ?? 'no',
  };
}

function putServices(
  { sections }: SectionedFile,
  host: StunnelHost,
  start: Place,
  builder: RawBuilder,
  report: Report,
): number {
  if (sections.length === 0 && !report.hasErrors) {
    report.error(
      start,
      'Inetd mode: no [section]; only the program stunnel (icapgw stunnel) serves one connection on standard input; put a ' +
        'line such as [icap] before connect, and accept = PORT in the place of inetd',
    );
  }
  builder.set(['services'], [], 0);
  const all = nameSections(sections, report);
  let count = 0;
  for (const { section } of all) {
    if (!isComplete(section, report) || isOutOfReach(section, all, report)) continue;
    putService(section, all, host, ['services', count], builder, report);
    count += 1;
  }
  return count;
}

function unnamedOf({ kind }: Section): string {
  return kind === 'inetd' ? 'stunnel' : 'unnamed';
}

function nameSections(sections: readonly Section[], report: Report): readonly NamedSection[] {
  const taken = new Set<string>();
  return sections.map((section) => {
    const wanted = section.draft.name?.value || section.name.trim() || unnamedOf(section);
    const name = chooseName(wanted, section, taken, report);
    taken.add(name);
    return { wanted, section: { ...section, name } };
  });
}

/** stunnel does not mind services of the same name; metrics and logs do. */
function chooseName(wanted: string, section: Section, taken: ReadonlySet<string>, report: Report): string {
  let name = wanted;
  for (let count = 2; taken.has(name); count += 1) name = `${wanted} (${count})`;
  if (name !== wanted || wanted === 'unnamed') {
    const reason = name === 'unnamed' ? 'the section has no name' : `there is another service ${quote(wanted)}`;
    report.warn(section.place, `${reason}; this one is called ${quote(name)} in logs and metrics`);
  }
  return name;
}
