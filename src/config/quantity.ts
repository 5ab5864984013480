import { INVALID, type Kind, scalar } from './kind.ts';

export const SECOND_MS = 1000;
export const MINUTE_MS: number = 60 * SECOND_MS;
export const HOUR_MS: number = 60 * MINUTE_MS;
export const DAY_MS: number = 24 * HOUR_MS;

/** No timer can wait longer; a wait above it is the same as `never`. */
export const MAX_DURATION_MS: number = 24 * DAY_MS;

export const KIB = 1024;
export const MIB: number = 1024 * KIB;
export const GIB: number = 1024 * MIB;

// Largest first: writing takes the first unit that divides the value.
const DURATION_UNITS = [
  ['d', DAY_MS],
  ['h', HOUR_MS],
  ['m', MINUTE_MS],
  ['s', SECOND_MS],
  ['ms', 1],
] as const;

const SIZE_UNITS = [
  ['TiB', 1024 * GIB],
  ['GiB', GIB],
  ['MiB', MIB],
  ['KiB', KIB],
  ['B', 1],
] as const;

type Units = readonly (readonly [string, number])[];

function parseQuantity(text: unknown, units: Units): number | typeof INVALID {
  const match = typeof text === 'string' ? /^(\d{1,15})([A-Za-z]+)$/.exec(text) : null;
  const unit = units.find(([name]) => name === match?.[2]);
  return match === null || unit === undefined ? INVALID : Number(match[1]) * unit[1];
}

function formatQuantity(value: number, units: Units, zeroUnit: string): string {
  if (value === 0) return `0${zeroUnit}`;
  const unit = units.find(([, factor]) => value % factor === 0);
  return unit === undefined ? String(value) : `${value / unit[1]}${unit[0]}`;
}

/** `90000` as `90s`: the largest unit that says it exactly. */
export function formatDuration(milliseconds: number): string {
  return milliseconds === Number.POSITIVE_INFINITY ? 'never' : formatQuantity(milliseconds, DURATION_UNITS, 's');
}

/** `65536` as `64KiB`. */
export function formatSize(bytes: number): string {
  return formatQuantity(bytes, SIZE_UNITS, '');
}

function withoutUnit(raw: unknown): string | undefined {
  return typeof raw === 'number' || (typeof raw === 'string' && /^\d+$/.test(raw))
    ? `the unit is missing: write ${raw}s if seconds are meant`
    : undefined;
}

/** A time between two limits, in milliseconds. */
export function duration(minimumMs: number, maximumMs: number = MAX_DURATION_MS): Kind<number> {
  return scalar({
    type: 'duration',
    expected: `a duration such as 500ms, 5s, 10m or 12h, from ${formatDuration(minimumMs)} to ${formatDuration(maximumMs)}`,
    parse(raw) {
      const value = parseQuantity(raw, DURATION_UNITS);
      return value !== INVALID && value >= minimumMs && value <= maximumMs ? value : INVALID;
    },
    write: formatDuration,
    hint: withoutUnit,
  });
}

/** A time that may also be `0s` (at once) or `never`; milliseconds or Infinity. */
export const WAIT: Kind<number> = scalar({
  type: 'duration | never',
  expected: 'a duration such as 500ms, 5s, 10m or 12h, or never',
  parse(raw) {
    if (raw === 'never') return Number.POSITIVE_INFINITY;
    const value = parseQuantity(raw, DURATION_UNITS);
    return value !== INVALID && value > MAX_DURATION_MS ? Number.POSITIVE_INFINITY : value;
  },
  write: formatDuration,
  hint: withoutUnit,
});

/** A number of bytes between two limits. */
export function size(minimumBytes: number, maximumBytes: number): Kind<number> {
  return scalar({
    type: 'size',
    expected: `a size such as 64KiB or 8MiB, from ${formatSize(minimumBytes)} to ${formatSize(maximumBytes)}`,
    parse(raw) {
      const value = typeof raw === 'number' && Number.isInteger(raw) ? raw : parseQuantity(raw, SIZE_UNITS);
      return value !== INVALID && value >= minimumBytes && value <= maximumBytes ? value : INVALID;
    },
    write: (value) => (value === 0 ? 0 : formatSize(value)),
    hint(raw) {
      const match = typeof raw === 'string' ? /^(\d+)\s*([kmgt])(?:i?b)?$/i.exec(raw) : null;
      return match?.[2] === undefined ? undefined : `write ${match[1]}${match[2].toUpperCase()}iB`;
    },
  });
}

const MAX_RATE = 1_000_000;

/** Events per second. */
export const RATE: Kind<number> = scalar({
  type: 'rate',
  expected: 'a rate such as 10/s, or 0/s for no limit',
  parse(raw) {
    const match = typeof raw === 'string' ? /^(\d{1,7})\/s$/.exec(raw) : null;
    const value = Number(match?.[1]);
    return match === null || value > MAX_RATE ? INVALID : value;
  },
  write: (value) => `${value}/s`,
  hint: (raw) => (typeof raw === 'number' ? `the unit is missing: write ${raw}/s` : undefined),
});

/** A part of a whole, `0%` to `100%`, as 0 to 1. */
export const PERCENTAGE: Kind<number> = scalar({
  type: 'percentage',
  expected: 'a percentage from 0% to 100%, such as 10%',
  parse(raw) {
    const match = typeof raw === 'string' ? /^(\d{1,3})%$/.exec(raw) : null;
    const value = Number(match?.[1]);
    return match === null || value > 100 ? INVALID : value / 100;
  },
  write: (value) => `${Math.round(value * 100)}%`,
  hint: (raw) => (typeof raw === 'number' ? `the sign is missing: write ${raw}%` : undefined),
});
