import { hash } from 'node:crypto';

const HASH_DIGITS = 24;

/** A tag with its quotes, whether it came with them or not. A quote inside would end it early, so it is left out. */
export function quotedIstag(value: string): string {
  return `"${bareIstag(value)}"`;
}

/**
 * One tag for a pool: it changes when any member's does, and not with the order or number of members that say the same.
 * RFC 3507 4.7 allows 32 characters.
 */
export function aggregateIstag(istags: readonly string[]): string {
  const distinct = [...new Set(istags.map(bareIstag))].sort();
  return `"gw-${hash('sha256', distinct.join('\n'), 'hex').slice(0, HASH_DIGITS)}"`;
}

function bareIstag(value: string): string {
  return value.replaceAll('"', '');
}
