import type { ServiceOptions } from './service-options.ts';

/** What a client does with a body, by the extension of the file; the stricter one counts more. */
const TREATMENTS = ['Ignore', 'Preview', 'Complete'] as const;
type Treatment = (typeof TREATMENTS)[number];

const EVERY_OTHER = '*';

/**
 * The Transfer-Preview, -Ignore and -Complete lines that suit every member of a pool: for each extension the strictest
 * that any of them asks for, and `*` in exactly one list (RFC 3507 4.10.2). Empty where no member says anything.
 */
export function transferLines(members: readonly ServiceOptions[]): string {
  const wishes = members.map(wishesOf);
  if (wishes.every(({ size }) => size === 0)) return '';
  const strictest = (extension: string): Treatment =>
    TREATMENTS[Math.max(...members.map((member, index) => strictnessOf(extension, member, wishes[index])))] ??
    'Complete';

  const byDefault = strictest(EVERY_OTHER);
  const named = [...new Set(wishes.flatMap((wish) => [...wish.keys()]))].filter((item) => item !== EVERY_OTHER).sort();
  let lines = '';
  for (const treatment of TREATMENTS) {
    const items = treatment === byDefault ? [EVERY_OTHER] : named.filter((item) => strictest(item) === treatment);
    if (items.length > 0) lines += `Transfer-${treatment}: ${items.join(', ')}\r\n`;
  }
  return lines;
}

function wishesOf(member: ServiceOptions): ReadonlyMap<string, number> {
  const wishes = new Map<string, number>();
  // An extension in two lists gets the stricter one.
  for (const item of member.transferIgnore) wishes.set(item, TREATMENTS.indexOf('Ignore'));
  for (const item of member.transferPreview) wishes.set(item, TREATMENTS.indexOf('Preview'));
  for (const item of member.transferComplete) wishes.set(item, TREATMENTS.indexOf('Complete'));
  return wishes;
}

/** A member without a `*` gets previews where it takes any: that is how clients read it. */
function strictnessOf(
  extension: string,
  member: ServiceOptions,
  wishes: ReadonlyMap<string, number> | undefined,
): number {
  const otherwise = TREATMENTS.indexOf(member.previewBytes === undefined ? 'Complete' : 'Preview');
  return wishes?.get(extension) ?? wishes?.get(EVERY_OTHER) ?? otherwise;
}
