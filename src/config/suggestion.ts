import { distance } from 'fastest-levenshtein';

const MAX_WORD_LENGTH = 64;
const MIN_PREFIX_LENGTH = 4;

/** The word that was probably meant, or undefined where none is near enough to be worth a guess. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > MAX_WORD_LENGTH) return undefined;
  const given = normalize(word);
  let best: { readonly word: string; readonly steps: number } | undefined;
  for (const candidate of known) {
    const full = normalize(candidate);
    // An abbreviation is as good as one slip: `leastconn` for `least-connections`.
    const steps = given.length >= MIN_PREFIX_LENGTH && full.startsWith(given) ? 1 : distance(given, full);
    // A third of the letters may differ: `timeout` finds `timeouts`, `foo` finds nothing.
    if (steps * 3 <= Math.max(given.length, candidate.length) && steps < (best?.steps ?? Number.POSITIVE_INFINITY)) {
      best = { word: candidate, steps };
    }
  }
  return best?.word;
}

// `minVersion`, `min_version` and `Min-Version` are all `min-version`.
function normalize(word: string): string {
  return word.replaceAll(/[_-]/g, '').toLowerCase();
}
