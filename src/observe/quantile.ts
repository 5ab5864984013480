import type { HistogramTotals } from './counter-totals.ts';

/** How long things took; estimated from a histogram, so within the width of a bucket. */
export interface Latency {
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** Null where nothing was measured. */
export function latencyOf(
  bounds: readonly number[],
  histogram: Pick<HistogramTotals, 'cumulative' | 'count'>,
): Latency | null {
  const { count } = histogram;
  if (count <= 0) return null;
  const quantile = (part: number): number => {
    const ms = quantileSeconds(bounds, histogram, part) * 1000;
    return Number(ms.toPrecision(3));
  };
  return { count, p50Ms: quantile(0.5), p95Ms: quantile(0.95), p99Ms: quantile(0.99) };
}

/** Takes what a bucket holds to be spread evenly, as Prometheus does. What is beyond the last bound is put at it. */
function quantileSeconds(
  bounds: readonly number[],
  { cumulative, count }: Pick<HistogramTotals, 'cumulative' | 'count'>,
  part: number,
): number {
  const rank = part * count;
  const index = cumulative.findIndex((reached) => reached >= rank);
  if (index === -1) return bounds.at(-1) ?? 0;
  const [low, high] = [bounds[index - 1] ?? 0, bounds[index] ?? 0];
  const before = cumulative[index - 1] ?? 0;
  const within = (cumulative[index] ?? 0) - before;
  return within === 0 ? high : low + ((high - low) * (rank - before)) / within;
}
