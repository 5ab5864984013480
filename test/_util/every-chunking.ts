/** The same bytes as they can arrive: whole, cut in two at every place, and one byte at a time. */
export function* everyChunking(bytes: Buffer): Generator<readonly Buffer[]> {
  yield [bytes];
  for (let cut = 1; cut < bytes.length; cut += 1) yield [bytes.subarray(0, cut), bytes.subarray(cut)];
  yield Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
}
