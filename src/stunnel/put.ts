import type { Place, Placed } from './place.ts';

/** Puts one value at a dotted key of the service being written; without a place it is a default. */
export type Put = (key: string, value: unknown, place?: Place) => void;

/** Puts a list, each entry with its own line; an empty one is not written. */
export function putList(key: string, entries: readonly Placed<unknown>[], put: Put): void {
  if (entries.length === 0) return;
  put(key, [], entries[0]?.place);
  for (const [index, entry] of entries.entries()) put(`${key}.${index}`, entry.value, entry.place);
}
