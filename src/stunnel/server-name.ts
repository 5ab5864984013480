import { isClientMode } from './backend-tls.ts';
import type { ServiceDraft } from './draft.ts';
import type { Put } from './put.ts';
import { quote, type Report } from './report.ts';
import type { Section } from './service-raw.ts';

/** A section that others may name, before and after names were made unique. */
export interface NamedSection {
  /** What the file calls it; several may have it. */
  readonly wanted: string;
  readonly section: Section;
}

const PATTERN = /^(?:\*?[\w.-]{1,253}|\*)$/;

/** Whether the clients of a section come in through another one. With `client = yes` the option says something else. */
export function isSecondary(draft: ServiceDraft): boolean {
  return draft.sni !== undefined && !isClientMode(draft);
}

/** Writes `sni = SERVICE:PATTERN` of a server section: its clients come in where that service listens. */
export function putSni(section: Section, all: readonly NamedSection[], put: Put, report: Report): void {
  const { sni } = section.draft;
  if (sni === undefined) return;
  const { value, place } = sni;
  const refuse = (problem: string): void => report.error(place, `Service [${section.name}]: ${problem}`);
  const asked = parse(value);
  if (asked === undefined) {
    const expected = 'write SERVICE:PATTERN, such as icap:dlp.example.com or icap:*.example.com';
    refuse(`Invalid SNI parameter format: ${expected}, not ${quote(value)}`);
    return;
  }
  const primary = find(asked.of, all);
  if (primary === undefined) {
    refuse(`SNI section name not found: there is no section ${quote(asked.of)}`);
  } else if (isClientMode(primary.draft)) {
    refuse(`SNI primary service is a TLS client: ${quote(asked.of)} has client = yes`);
  } else {
    put('sni', { of: primary.name, names: [asked.pattern] }, place);
  }
}

/** Whether a section is one that stunnel starts and nobody ever gets to; says so. */
export function isOutOfReach({ draft, place }: Section, all: readonly NamedSection[], report: Report): boolean {
  const asked = draft.sni === undefined || isClientMode(draft) ? undefined : parse(draft.sni.value);
  if (draft.sni === undefined || asked === undefined) return false;
  const where = draft.sni.place;
  const primary = find(asked.of, all);
  if (primary !== undefined && isSecondary(primary.draft)) {
    report.warn(where, `sni: ${quote(asked.of)} has sni itself, so that nobody gets here; the section is left out`);
    return true;
  }
  const rival = all.find(({ section }) => {
    const other = isSecondary(section.draft) ? parse(section.draft.sni?.value ?? '') : undefined;
    const isSame = other?.of === asked.of && other.pattern.toLowerCase() === asked.pattern.toLowerCase();
    return isSame && section.place.order < place.order;
  });
  if (rival === undefined) return false;
  report.warn(
    where,
    `sni: section ${quote(rival.section.name)} has the same, so that nobody gets here; the section is left out`,
  );
  return true;
}

function parse(value: string): { readonly of: string; readonly pattern: string } | undefined {
  const colon = value.indexOf(':');
  const pattern = value.slice(colon + 1);
  return colon < 1 || !PATTERN.test(pattern) ? undefined : { of: value.slice(0, colon), pattern };
}

/** As stunnel does, the first of several that are called alike. */
function find(name: string, all: readonly NamedSection[]): Section | undefined {
  return all.find(({ wanted }) => wanted === name)?.section;
}
