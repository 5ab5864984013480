import type { Place } from './report.ts';
import { CONTROL_CHARACTER, show } from './show.ts';
import { nearest } from './suggestion.ts';

/** Stands for a value that was refused; the reason has been reported. */
export const INVALID: unique symbol = Symbol('invalid');

/** What the documentation and the suggestions need to know of one key. */
export interface KeyDescription {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  /** What stands for a key that is left out, as it would be written; undefined: nothing. */
  readonly fallback: unknown;
  /** The keys below it, where it holds a mapping. */
  readonly keys: readonly KeyDescription[];
}

/** How one sort of value is read from plain data, and written back as what an administrator would type. */
export interface Kind<T> {
  /** As it stands in the documentation: `duration`, `file`, `v1 | v2`. */
  readonly type: string;
  /** Of a mapping, or of the mappings in it; else empty. */
  readonly keys: readonly KeyDescription[];
  /** Never throws: what is wrong is reported at `place`. */
  read(raw: unknown, place: Place): T | typeof INVALID;
  /** Reads back as `value`. Undefined: leave the key out. */
  write(value: T): unknown;
}

export interface ScalarOptions<T> {
  readonly type: string;
  /** Completes "must be", with an example. */
  readonly expected: string;
  parse(raw: unknown): T | typeof INVALID;
  write(value: T): unknown;
  /** What to do instead, where the mistake is a known one. */
  hint?(raw: unknown): string | undefined;
}

/** A kind whose mistakes are all answered with what was expected. */
export function scalar<T>(options: ScalarOptions<T>): Kind<T> {
  return {
    type: options.type,
    keys: [],
    write: options.write,
    read(raw, place) {
      const value = options.parse(raw);
      if (value === INVALID) {
        const hint = options.hint?.(raw);
        place.error(`must be ${options.expected}, not ${show(raw)}${hint === undefined ? '' : `; ${hint}`}`);
      }
      return value;
    },
  };
}

export interface TextOptions {
  readonly type: string;
  readonly expected: string;
  readonly pattern: RegExp;
}

const MAX_TEXT_LENGTH = 4096;

/** Text of a given form. */
export function text(options: TextOptions): Kind<string> {
  return scalar({
    type: options.type,
    expected: options.expected,
    parse: (raw) =>
      typeof raw === 'string' && raw.length <= MAX_TEXT_LENGTH && options.pattern.test(raw) ? raw : INVALID,
    write: (value) => value,
    hint: (raw) => (typeof raw === 'number' || typeof raw === 'boolean' ? `put it in quotes: "${raw}"` : undefined),
  });
}

/** What a service or a backend is called: in logs, in metrics and on the command line. */
export const NAME: Kind<string> = text({
  type: 'name',
  expected: 'a name of at most 128 characters',
  pattern: /^(?! )[^\p{Cc}]{1,128}(?<! )$/u,
});

/** One of a few words. */
export function choice<const T extends string>(...words: readonly T[]): Kind<T> {
  return scalar({
    type: words.join(' | '),
    expected: alternatives(words),
    parse: (raw) => words.find((word) => word === raw) ?? INVALID,
    write: (value) => value,
    hint(raw) {
      if (typeof raw !== 'string') return undefined;
      const word = nearest(raw, words);
      return word === undefined ? undefined : `did you mean ${word}?`;
    },
  });
}

const SWITCH_WORDS = new Map<unknown, boolean>([
  ['yes', true],
  ['on', true],
  ['no', false],
  ['off', false],
]);

/** true or false. */
export const FLAG: Kind<boolean> = scalar({
  type: 'true | false',
  expected: 'true or false',
  parse: (raw) => (typeof raw === 'boolean' ? raw : INVALID),
  write: (value) => value,
  hint(raw) {
    const meant = SWITCH_WORDS.get(raw);
    return meant === undefined ? undefined : `write ${meant}`;
  },
});

/** A whole number between two others, both included. */
export function integer(minimum: number, maximum: number): Kind<number> {
  return scalar({
    type: 'number',
    expected: `a whole number from ${minimum} to ${maximum}`,
    parse: (raw) =>
      typeof raw === 'number' && Number.isInteger(raw) && raw >= minimum && raw <= maximum ? raw : INVALID,
    write: (value) => value,
    hint: (raw) => (typeof raw === 'string' && /^\d+$/.test(raw) ? 'leave out the quotes' : undefined),
  });
}

/** A file or folder; relative ones are resolved. The given words are kept as they are. */
export function file(...words: readonly string[]): Kind<string> {
  return {
    type: [...words, 'file'].join(' | '),
    keys: [],
    read(raw, place) {
      if (typeof raw !== 'string' || raw === '' || raw.length > MAX_TEXT_LENGTH) {
        const expected = words.includes('-') ? 'a file name, or "-" in quotes' : 'a file name';
        place.error(`must be ${expected}, not ${show(raw)}`);
        return INVALID;
      }
      if (CONTROL_CHARACTER.test(raw)) {
        // "C:\Program Files" in double quotes is one: \P is an escape to YAML.
        place.error(`holds a control character: ${show(raw)}; put a Windows path in single quotes, or in none`);
        return INVALID;
      }
      return words.includes(raw) ? raw : place.resolveFile(raw);
    },
    write: (value) => value,
  };
}

/** `a`, `a or b`, `a, b or c`. */
export function alternatives(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`;
}
