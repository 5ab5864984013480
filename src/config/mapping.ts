import { isDeepStrictEqual } from 'node:util';
import { type Conversion, isMapping } from './collection.ts';
import { INVALID, type KeyDescription, type Kind } from './kind.ts';
import type { Place } from './report.ts';
import { show } from './show.ts';
import { nearest } from './suggestion.ts';

type Raw = Readonly<Record<string, unknown>>;
type Entry = readonly [name: string, raw: unknown];

/** What fills one property of a mapping's result: usually one key of the document. */
export interface Key<T> {
  readonly descriptions: readonly KeyDescription[];
  /** What an absent or refused value leaves in the result. */
  readonly fallback: T;
  take(raw: Raw, place: Place): T;
  /** What to write for `value`; nothing where leaving it out says the same. */
  give(value: T): readonly Entry[];
}

/** A key per property, so that the compiler knows that none is forgotten. */
export type Keys<T> = { readonly [Property in keyof T]-?: Key<T[Property]> };

/** A kind for mappings with known keys. Absent ones are filled in; unknown ones are errors. */
export interface Mapping<T> extends Kind<T> {
  readonly fallback: T;
  /** Reads known keys out of a mapping that may have others. */
  take(raw: Raw, place: Place): T;
  give(value: T): readonly Entry[];
}

/** `refused` names keys that are understood and cannot be used, with the reason. */
export function mapping<T extends object>(keys: Keys<T>, refused: Readonly<Record<string, string>> = {}): Mapping<T> {
  const properties = Object.keys(keys) as (keyof T)[];
  const descriptions = properties.flatMap((property) => keys[property].descriptions);
  // `Keys<T>` has an entry for every property of T.
  const build = (fill: (property: keyof T) => unknown): T =>
    Object.fromEntries(properties.map((property) => [property, fill(property)])) as T;
  const take = (raw: Raw, place: Place): T => build((property) => keys[property].take(raw, place));
  const give = (value: T): readonly Entry[] => properties.flatMap((property) => keys[property].give(value[property]));
  return {
    type: 'mapping',
    keys: descriptions,
    fallback: build((property) => keys[property].fallback),
    take,
    give,
    read(raw, place) {
      if (!isMapping(raw)) {
        place.error(`must be a mapping of keys and values, not ${show(raw)}`);
        return INVALID;
      }
      reportUnknownKeys(raw, place, descriptions, refused);
      return take(raw, place);
    },
    write: (value) => Object.fromEntries(give(value)),
  };
}

/** A mapping whose result has another shape than its keys. */
export function reshaped<Written, Read>(inner: Mapping<Written>, conversion: Conversion<Written, Read>): Mapping<Read> {
  return {
    type: inner.type,
    keys: inner.keys,
    fallback: conversion.to(inner.fallback),
    take: (raw, place) => conversion.to(inner.take(raw, place)),
    give: (value) => inner.give(conversion.from(value)),
    read(raw, place) {
      const value = inner.read(raw, place);
      return value === INVALID ? INVALID : conversion.to(value);
    },
    write: (value) => inner.write(conversion.from(value)),
  };
}

/** A key with a default. */
export function key<T>(name: string, kind: Kind<T>, fallback: T): Key<T> {
  const written = kind.write(fallback);
  return {
    descriptions: [describe(name, kind, written)],
    fallback,
    take: (raw, place) => readOr(fallback, raw[name], kind, place.at(name)),
    give(value) {
      const raw = kind.write(value);
      return isDeepStrictEqual(raw, written) ? [] : [[name, raw]];
    },
  };
}

/** A key that is undefined when it is left out; `meaning` says in the documentation what then holds. */
export function optional<T>(name: string, kind: Kind<T>, meaning?: string): Key<T | undefined> {
  return {
    descriptions: [describe(name, kind, meaning)],
    fallback: undefined,
    take: (raw, place) => readOr<T | undefined>(undefined, raw[name], kind, place.at(name)),
    give: (value) => (value === undefined ? [] : [[name, kind.write(value)]]),
  };
}

/** A key that must be there. `standIn` takes its place after the error; `hint` completes the sentence "is missing". */
export function required<T>(name: string, kind: Kind<T>, standIn: T, hint: string): Key<T> {
  return {
    descriptions: [{ ...describe(name, kind, undefined), required: true }],
    fallback: standIn,
    take(raw, place) {
      if (isAbsent(raw[name])) place.at(name).error(`is missing; ${hint}`);
      return readOr(standIn, raw[name], kind, place.at(name));
    },
    give: (value) => [[name, kind.write(value)]],
  };
}

/** A key that must be there, unless the mapping has the key `other`; `hint` completes the sentence "is missing". */
export function optionalWith<T>(other: string, name: string, kind: Kind<T>, hint: string): Key<T | undefined> {
  const may = optional(name, kind);
  return {
    ...may,
    take(raw, place) {
      if (isAbsent(raw[name]) && isAbsent(raw[other])) place.at(name).error(`is missing; ${hint}`);
      return may.take(raw, place);
    },
  };
}

/** A list that must be there, unless the mapping has the key `other`: then it is empty. */
export function requiredUnless<T>(
  other: string,
  name: string,
  kind: Kind<readonly T[]>,
  hint: string,
): Key<readonly T[]> {
  const must = required<readonly T[]>(name, kind, [], hint);
  return {
    ...must,
    take: (raw, place) => (isAbsent(raw[name]) && !isAbsent(raw[other]) ? [] : must.take(raw, place)),
    give: (value) => (value.length === 0 ? [] : must.give(value)),
  };
}

/** A property that no key sets. */
export function unwritten<T>(value: T): Key<T> {
  return { descriptions: [], fallback: value, take: () => value, give: () => [] };
}

/** A mapping below a key; left out, it is read as an empty one. */
export function section<T>(name: string, kind: Kind<T>, standIn: T): Key<T> {
  return {
    descriptions: [describe(name, kind, undefined)],
    fallback: standIn,
    take: (raw, place) => readOr(standIn, raw[name] ?? {}, kind, place.at(name)),
    give(value) {
      const raw = kind.write(value);
      return isDeepStrictEqual(raw, {}) ? [] : [[name, raw]];
    },
  };
}

/** A mapping that says something by being there: with nothing below it, it is one with every default. */
export function given<T>(name: string, kind: Mapping<T>): Key<T | undefined> {
  return {
    ...optional(name, kind),
    take: (raw, place) =>
      Object.hasOwn(raw, name) ? readOr(kind.fallback, raw[name] ?? {}, kind, place.at(name)) : undefined,
  };
}

/** A group of properties whose keys stand at the level of the mapping it is part of. */
export function inline<T>(group: Mapping<T>): Key<T> {
  return { descriptions: group.keys, fallback: group.fallback, take: group.take, give: group.give };
}

function describe<T>(name: string, kind: Kind<T>, fallback: unknown): KeyDescription {
  return { name, type: kind.type, required: false, fallback, keys: kind.keys };
}

// `key:` without a value is null in YAML, and the same as leaving the line out.
function isAbsent(raw: unknown): boolean {
  return raw === undefined || raw === null;
}

function readOr<T>(fallback: T, raw: unknown, kind: Kind<T>, place: Place): T {
  if (isAbsent(raw)) return fallback;
  const value = kind.read(raw, place);
  return value === INVALID ? fallback : value;
}

function reportUnknownKeys(
  raw: Raw,
  place: Place,
  known: readonly KeyDescription[],
  refused: Readonly<Record<string, string>>,
): void {
  const names = known.map((description) => description.name);
  for (const name of Object.keys(raw)) {
    if (names.includes(name)) continue;
    const reason = Object.hasOwn(refused, name) ? refused[name] : undefined;
    place.at(name).error(reason ?? `is not a known key${suggestionFor(name, names, known)}`);
  }
}

function suggestionFor(name: string, names: readonly string[], known: readonly KeyDescription[]): string {
  const parent = known.find(({ keys }) => keys.some((inner) => inner.name === name));
  if (parent !== undefined) return `; it belongs below ${parent.name}`;
  const word = nearest(name, names);
  return word === undefined ? '' : `; did you mean ${word}?`;
}
