const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;

/** `2026-11-20 23:29:14`: an ISO time in UTC, for people. */
export function clockText(iso: string): string {
  return iso.slice(0, 'yyyy-mm-ddThh:mm:ss'.length).replace('T', ' ');
}

/** How long ago, in its two largest units: `45 s`, `3 min 20 s`, `2 h 5 min`, `12 d 3 h`. */
export function agoText(iso: string, nowMs: number): string {
  return durationText(nowMs - Date.parse(iso));
}

export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < MINUTE_S) return `${seconds} s`;
  if (seconds < HOUR_S) return two(seconds, MINUTE_S, 'min', 1, 's');
  if (seconds < DAY_S) return two(seconds, HOUR_S, 'h', MINUTE_S, 'min');
  return two(seconds, DAY_S, 'd', HOUR_S, 'h');
}

function two(seconds: number, largeS: number, large: string, smallS: number, small: string): string {
  const rest = Math.floor((seconds % largeS) / smallS);
  return `${Math.floor(seconds / largeS)} ${large}${rest === 0 ? '' : ` ${rest} ${small}`}`;
}

/** `1.2 MiB` */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const size = bytes / 2 ** (10 * power);
  return `${power === 0 ? size : size.toFixed(1)} ${units[power]}`;
}

export function daysText(days: number): string {
  if (days < 0) return `expired ${-days} ${days === -1 ? 'day' : 'days'} ago`;
  return `${days} ${days === 1 ? 'day' : 'days'}`;
}
