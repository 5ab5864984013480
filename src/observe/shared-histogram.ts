import { Histogram, type Registry } from 'prom-client';
import type { HistogramTotals } from './counter-totals.ts';

/** The observations that have the same labels. */
export interface HistogramSample<L extends string> {
  readonly labels: Readonly<Record<L, string>>;
  readonly totals: HistogramTotals;
}

export interface SharedHistogramOptions<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly L[];
  readonly buckets: readonly number[];
  readonly registry: Registry;
  /** Called at each scrape. */
  read(): readonly HistogramSample<L>[];
}

interface HistogramRow {
  readonly metricName: string;
  readonly labels: { readonly le?: number | '+Inf' };
  readonly sharedLabels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What prom-client's registry expects of `getForPromString`. */
interface HistogramSnapshot {
  readonly name: string;
  readonly help: string;
  readonly type: 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly HistogramRow[];
}

/**
 * A histogram whose observations were made elsewhere. prom-client's own can be observed but not set, so this one
 * replaces the method which the registry and `get` take the rows from.
 */
export class SharedHistogram<L extends string> extends Histogram<L> {
  readonly #options: SharedHistogramOptions<L>;

  constructor(options: SharedHistogramOptions<L>) {
    const { name, help, labelNames, buckets, registry } = options;
    super({ name, help, labelNames, buckets: [...buckets], registers: [registry] });
    this.#options = options;
  }

  async getForPromString(): Promise<HistogramSnapshot> {
    const { name, help } = this.#options;
    const values = this.#options.read().flatMap((sample) => this.#rows(sample));
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }

  #rows({ labels: sharedLabels, totals }: HistogramSample<L>): HistogramRow[] {
    const { name, buckets } = this.#options;
    const bucket = (le: number | '+Inf', value: number): HistogramRow => ({
      metricName: `${name}_bucket`,
      labels: { le },
      sharedLabels,
      value,
    });
    return [
      ...buckets.map((le, index) => bucket(le, totals.cumulative[index] ?? 0)),
      bucket('+Inf', totals.count),
      { metricName: `${name}_sum`, labels: {}, sharedLabels, value: totals.sum },
      { metricName: `${name}_count`, labels: {}, sharedLabels, value: totals.count },
    ];
  }
}
