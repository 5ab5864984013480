/** The index of the first bound that is not below `seconds`; the number of bounds where all are. */
export function bucketOf(bounds: readonly number[], seconds: number): number {
  let bucket = 0;
  for (const bound of bounds) {
    if (seconds <= bound) break;
    bucket += 1;
  }
  return bucket;
}
