import { createProcessDraft, createServiceDraft, inheritDraft, type ProcessDraft, type ServiceDraft } from './draft.ts';
import type { StunnelOption } from './option.ts';
import { findOption, nearestOption } from './option-table.ts';
import { isOverride, type Override, readOverride } from './override.ts';
import type { Place, Placed, Setting, Statement } from './place.ts';
import { quote, type Report } from './report.ts';
import type { Section } from './service-raw.ts';

/** More than any configuration in the wild has, and what the validator takes. */
const MAX_SECTIONS = 256;
/** Of one section, or of what stands before the first. Every section inherits, so that this bounds the product too. */
const MAX_SETTINGS = 250;

/** A whole configuration, cut into sections, each option read into the draft it belongs to. */
export interface SectionedFile {
  readonly process: ProcessDraft;
  /** `icapgw.` lines before the first section. */
  readonly overrides: readonly Placed<Override>[];
  /** What every section started with. */
  readonly globals: ServiceDraft;
  readonly sections: readonly Section[];
}

/** Reads statements in order; what an option means for one line alone is reported here. */
export function readSections(statements: readonly Statement[], report: Report): SectionedFile {
  const process = createProcessDraft();
  const globals = createServiceDraft();
  const sections: Section[] = [];
  const processOverrides: Placed<Override>[] = [];
  let draft = globals;
  let overrides = processOverrides;
  let settingCount = 0;
  for (const statement of statements) {
    if (report.full) break;
    if (statement.kind === 'section') {
      if (!hasRoom(sections.length, MAX_SECTIONS, 'sections', statement.place, report)) break;
      draft = inheritDraft(globals);
      overrides = [];
      settingCount = 0;
      sections.push({ name: statement.name, kind: 'section', place: statement.place, draft, overrides });
      continue;
    }
    settingCount += 1;
    if (!hasRoom(settingCount - 1, MAX_SETTINGS, 'options in one section', statement.place, report)) break;
    if (isOverride(statement.name)) {
      const override = readOverride(statement, report);
      if (override !== undefined) overrides.push(override);
    } else {
      readSetting(statement, process, draft, sections.length > 0, report);
    }
  }
  return { process, overrides: processOverrides, globals, sections };
}

function readSetting(
  setting: Setting,
  process: ProcessDraft,
  draft: ServiceDraft,
  inSection: boolean,
  report: Report,
): void {
  const option = findOption(setting.name);
  if (option === undefined) {
    report.error(setting.place, describeUnknown(setting.name));
    return;
  }
  const spelled = { ...setting, name: option.name };
  if (option.scope === 'service') {
    draft.mentioned.set(option.name.toLowerCase(), setting.place);
    option.apply(spelled, draft, report);
  } else if (inSection && option.inSection !== undefined) {
    report.refuse(setting.place, `${option.name}: ${option.inSection}`);
  } else if (inSection) {
    report.error(setting.place, describeMisplaced(option));
  } else {
    option.apply(spelled, process, report);
  }
}

function hasRoom(count: number, limit: number, what: string, place: Place, report: Report): boolean {
  if (count < limit) return true;
  report.error(place, `more than ${limit} ${what}: the rest of the file is not read`, 'ICAPGW_CONFIG_SYNTAX');
  return false;
}

/** stunnel's words, which its users look for. */
const NOT_VALID = 'Specified option name is not valid here';

function describeUnknown(name: string): string {
  const guess = nearestOption(name);
  const advice = guess === undefined ? '' : `; did you mean ${guess}?`;
  const unseen = /[^\x20-\x7e]/.test(name)
    ? ' (it holds a character that is not ASCII, perhaps a blank from a web page)'
    : '';
  return `${NOT_VALID}: unknown option ${quote(name)}${unseen}${advice}`;
}

function describeMisplaced(option: StunnelOption): string {
  return `${NOT_VALID}: ${option.name} is about the whole process; move it before the first [section]`;
}
