import { Counter, Gauge, type Registry } from 'prom-client';

/** Takes one sample of a metric. */
export type Add<L extends string> = (labels: Record<L, string>, value: number) => void;

/** A counter that was counted elsewhere: `sample` tells its values at each scrape. */
export function registerCounter<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[],
  sample: (add: Add<L>) => void,
): void {
  new Counter<L>({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      sample((labels, value) => this.inc(labels, value));
    },
  });
}

/** A gauge that is looked at at each scrape. */
export function registerGauge<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[],
  sample: (set: Add<L>) => void,
): void {
  new Gauge<L>({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      sample((labels, value) => this.set(labels, value));
    },
  });
}
