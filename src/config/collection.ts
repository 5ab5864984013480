import { INVALID, type Kind } from './kind.ts';
import { show } from './show.ts';

export interface ListOptions {
  readonly minimum: number;
  readonly maximum: number;
}

/** A list; a value alone, unless it is a mapping, is a list of one. Refused items are left out, so that the rest is still checked. */
export function list<T>(item: Kind<T>, options: ListOptions): Kind<readonly T[]> {
  const { minimum, maximum } = options;
  return {
    type: `list of ${item.type}`,
    keys: item.keys,
    read(raw, place) {
      if (item.keys.length > 0 && !Array.isArray(raw)) {
        place.error(`must be a list, each item behind "- ", not ${show(raw)}`);
        return INVALID;
      }
      const items: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
      if (items.length < minimum || items.length > maximum) {
        place.error(
          items.length < minimum
            ? 'must not be an empty list'
            : `must have at most ${maximum} items, not ${items.length}`,
        );
        return INVALID;
      }
      return items
        .map((value, index) => item.read(value, Array.isArray(raw) ? place.at(index) : place))
        .filter((value): value is T => value !== INVALID);
    },
    write(values) {
      const items = values.map((value) => item.write(value));
      return items.length === 1 && typeof items[0] !== 'object' ? items[0] : items;
    },
  };
}

/** Names and values of the administrator's choice. */
export function record(
  name: Kind<string>,
  value: Kind<string>,
  maximum: number,
): Kind<Readonly<Record<string, string>>> {
  return {
    type: `mapping of ${name.type} to ${value.type}`,
    keys: [],
    read(raw, place) {
      if (!isMapping(raw)) {
        place.error(`must be a mapping, not ${show(raw)}`);
        return INVALID;
      }
      const entries = Object.entries(raw);
      if (entries.length > maximum) {
        place.error(`must have at most ${maximum} entries, not ${entries.length}`);
        return INVALID;
      }
      const read = entries.map(
        ([key, inner]) => [name.read(key, place.at(key)), value.read(inner, place.at(key))] as const,
      );
      return Object.fromEntries(read.filter((pair): pair is [string, string] => !pair.includes(INVALID)));
    },
    write: (values) => ({ ...values }),
  };
}

/** `off`, which is undefined in the result, or what `inner` takes. */
export function orOff<T>(inner: Kind<T>): Kind<T | undefined> {
  return {
    type: `off | ${inner.type}`,
    keys: inner.keys,
    read(raw, place) {
      if (raw !== false) return raw === 'off' ? undefined : inner.read(raw, place);
      place.error('must not be false; write off');
      return INVALID;
    },
    write: (value) => (value === undefined ? 'off' : inner.write(value)),
  };
}

export interface Conversion<Written, Read> {
  to(value: Written): Read;
  from(value: Read): Written;
}

/** Reads as `inner` does and gives the value another shape. */
export function converted<Written, Read>(inner: Kind<Written>, conversion: Conversion<Written, Read>): Kind<Read> {
  return {
    type: inner.type,
    keys: inner.keys,
    read(raw, place) {
      const value = inner.read(raw, place);
      return value === INVALID ? INVALID : conversion.to(value);
    },
    write: (value) => inner.write(conversion.from(value)),
  };
}

/** Whether plain data is a mapping, as opposed to a list or a value. */
export function isMapping(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}
