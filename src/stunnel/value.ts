import type { RawScalar } from './draft.ts';
import type { Placed, Setting } from './place.ts';
import { hasInlineComment, quote, type Report } from './report.ts';

/** Reads `yes` or `no`, the only spellings stunnel knows; undefined after a report. */
export function readYesNo(setting: Setting, report: Report): boolean | undefined {
  const word = readWord(setting, ['yes', 'no'], report);
  return word === undefined ? undefined : word === 'yes';
}

/** Reads one of a few words, whatever their case; undefined after a report. */
export function readWord<Word extends string>(
  setting: Setting,
  words: readonly Word[],
  report: Report,
): Word | undefined {
  const given = setting.value.toLowerCase();
  const word = words.find((candidate) => candidate.toLowerCase() === given);
  if (word === undefined) report.invalid(setting, `${needs(words)}, not ${quote(setting.value)}`);
  return word;
}

/** Reads a decimal integer from a range; undefined after a report. */
export function readInteger(setting: Setting, minimum: number, maximum: number, report: Report): number | undefined {
  const value = /^[+-]?\d{1,15}$/.test(setting.value) ? Number(setting.value) : Number.NaN;
  if (value >= minimum && value <= maximum) return value;
  report.invalid(setting, `must be a whole number from ${minimum} to ${maximum}, not ${quote(setting.value)}`);
  return undefined;
}

/** Reads whole seconds; undefined after a report. What a negative number means is the option's to say. */
export function readSeconds(setting: Setting, report: Report): number | undefined {
  if (/^[+-]?\d{1,15}$/.test(setting.value)) return Number(setting.value);
  report.invalid(setting, `must be whole seconds without a unit, not ${quote(setting.value)}`);
  return undefined;
}

/** Reads text that must not be empty and holds no placeholder of a guide; undefined after a report. */
export function readText(setting: Setting, expected: string, report: Report): string | undefined {
  if (setting.value === '') {
    report.invalid(setting, `the value is empty: ${expected}`);
    return undefined;
  }
  if (reportPlaceholder(setting, report)) return undefined;
  if (hasInlineComment(setting.value)) {
    report.warn(
      setting.place,
      `${setting.name}: comments stand on lines of their own; here ";" and "#" are part of the value`,
    );
  }
  return setting.value;
}

/** Reports the asterisks that the published guide puts around what its reader has to replace. */
export function reportPlaceholder(setting: Setting, report: Report): boolean {
  const placeholder = /\*\*([^*]{1,60})\*\*/.exec(setting.value);
  if (placeholder === null) return false;
  report.invalid(
    setting,
    `${quote(placeholder[0])} is a placeholder of the guide: replace it, asterisks included, by your own value`,
  );
  return true;
}

/** Stores a value that was read; undefined stands for one that was reported. An empty text forgets what was there. */
export function store<T extends RawScalar>(
  values: Map<string, Placed<T>>,
  key: string,
  value: T | undefined,
  setting: Setting,
): void {
  if (value === '') values.delete(key);
  else if (value !== undefined) values.set(key, { value, place: setting.place });
}

/** In stunnel's words, which its users look for. */
function needs(words: readonly string[]): string {
  const quoted = words.map((word) => `'${word}'`);
  if (quoted.length === 1) return `The argument needs to be ${quoted[0]}`;
  return `The argument needs to be either ${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
}
