/** Lays counters out one behind the other, each with its number of slots. */
export function startsOf<K extends string>(counts: Readonly<Record<K, number>>): Readonly<Record<K, number>> {
  let next = 0;
  const starts = Object.entries<number>(counts).map(([counter, count]) => {
    next += count;
    return [counter, next - count];
  });
  return Object.fromEntries(starts) as Record<K, number>;
}
