const VERSION = /^\d{1,4}(?:\.\d{1,4}){0,3}$/;

/** A version as an SMC writes it: numbers with full stops between them. Nothing else goes into a path. */
export function isApiVersion(text: string): boolean {
  return VERSION.test(text);
}

/** Below 0 where `a` is the older one. Part by part: 6.10 is newer than 6.9, and 7 is 7.0. */
export function compareApiVersions(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * The version to speak: the wanted one where it is offered, else the nearest above it, else the newest there is. Gives
 * the text of the SMC, which stands in its paths. Undefined where nothing is offered.
 */
export function chooseApiVersion(wanted: string, offered: readonly string[]): string | undefined {
  const ascending = offered.filter(isApiVersion).sort(compareApiVersions);
  return ascending.find((version) => compareApiVersions(version, wanted) >= 0) ?? ascending.at(-1);
}
