/** What is found by the names of servers, whatever their case. */
export interface NameEntry<T> {
  /** Names, or `*` and the end of names: `*.example.com`, `*` for all. */
  readonly patterns: readonly string[];
  readonly value: T;
}

interface Ranked<T> {
  readonly rank: number;
  readonly value: T;
}

/** Finds by name; the first pattern that fits counts, in the order of the entries. */
export class NameTable<T> {
  readonly #exact: Map<string, Ranked<T>> = new Map();
  readonly #suffixes: (Ranked<T> & { readonly suffix: string })[] = [];

  constructor(entries: readonly NameEntry<T>[]) {
    let rank = 0;
    for (const { patterns, value } of entries) {
      for (const pattern of patterns.map(foldCase)) {
        rank += 1;
        if (pattern.startsWith('*')) this.#suffixes.push({ rank, value, suffix: pattern.slice(1) });
        else if (!this.#exact.has(pattern)) this.#exact.set(pattern, { rank, value });
      }
    }
  }

  get isEmpty(): boolean {
    return this.#exact.size === 0 && this.#suffixes.length === 0;
  }

  find(name: string): T | undefined {
    const folded = foldCase(name);
    const exact = this.#exact.get(folded);
    const suffix = this.#suffixes.find((each) => folded.endsWith(each.suffix));
    if (exact === undefined || suffix === undefined) return (exact ?? suffix)?.value;
    return (exact.rank < suffix.rank ? exact : suffix).value;
  }
}

/** Names of servers are ASCII; other letters are as different as they look. */
function foldCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
