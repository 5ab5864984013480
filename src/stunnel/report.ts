import type { ErrorCode, Problem } from '../errors.ts';
import type { Place, Setting } from './place.ts';

/** Errors beyond these tell nobody anything; a file with more of them is not a configuration. */
const MAX_ERRORS = 200;

interface Entry {
  readonly order: number;
  readonly problem: Problem;
}

/** Collects what there is to say about a configuration. The same words about the same line are said once. */
export class Report {
  readonly #entries: Entry[] = [];
  readonly #said: Set<string> = new Set();
  #errorCount = 0;

  /** Whether reading on is pointless. */
  get full(): boolean {
    return this.#errorCount > MAX_ERRORS;
  }

  get hasErrors(): boolean {
    return this.#errorCount > 0;
  }

  /** Everything said, in the order of the lines it is about. */
  get problems(): readonly Problem[] {
    return this.#entries.toSorted((a, b) => a.order - b.order).map((entry) => entry.problem);
  }

  error(place: Place, message: string, code: ErrorCode = 'ICAPGW_CONFIG_INVALID'): void {
    if (this.full) return;
    if (this.#errorCount === MAX_ERRORS) {
      this.#errorCount += 1;
      this.#say('error', place, `more than ${MAX_ERRORS} errors: the rest of the file is not read`, code);
      return;
    }
    if (this.#say('error', place, message, code)) this.#errorCount += 1;
  }

  /** For what would be unsafe to ignore. */
  refuse(place: Place, message: string): void {
    this.error(place, message, 'ICAPGW_STUNNEL_REFUSED');
  }

  /** For a value that the option does not take; stunnel's commonest mistake is named where it is visible. */
  invalid(setting: Setting, message: string): void {
    const hint = hasInlineComment(setting.value) ? ' (a comment must stand on a line of its own)' : '';
    this.error(setting.place, `${setting.name}: ${message}${hint}`);
  }

  warn(place: Place, message: string, code: ErrorCode = 'ICAPGW_STUNNEL_DIFFERS'): void {
    this.#say('warning', place, message, code);
  }

  #say(severity: Problem['severity'], place: Place, message: string, code: ErrorCode): boolean {
    const key = `${place.order} ${message}`;
    if (this.#said.has(key)) return false;
    this.#said.add(key);
    this.#entries.push({
      order: place.order,
      problem: { severity, file: place.file, line: place.line, message, code },
    });
    return true;
  }
}

/** Whether a value looks as if its author believed in comments behind values, which stunnel does not know. */
export function hasInlineComment(value: string): boolean {
  return /\s[;#](?:\s|$)/.test(value);
}

/** A value for a message: in quotes, on one line, never longer than a glance. */
export function quote(value: string): string {
  const printable = value.replace(/\p{Cc}/gu, '.');
  return printable.length > 80 ? `"${printable.slice(0, 77)}..."` : `"${printable}"`;
}
