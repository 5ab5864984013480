import type { CounterTotals } from '../observe/counter-totals.ts';
import type { EventSinks } from '../observe/event-port.ts';
import type { FeedMetricsSource } from '../observe/feed-metrics.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Generation } from './generation.ts';

export interface GatewayMetricsOptions {
  readonly version: string;
  readonly totals: CounterTotals;
  /** The configuration in force, and its pools. */
  readonly current: () => Pick<Generation, 'config' | 'pools'>;
  /** How many addresses and networks each source has blocked. */
  readonly blockCounts: () => ReadonlyMap<string, number>;
  readonly sinks: EventSinks;
  /** Undefined: there is no feed. */
  readonly feed: FeedMetricsSource | undefined;
}

/** The metrics of a running gateway. Loading them takes as long as a worker takes to start: that is not in its way. */
export class GatewayMetrics {
  readonly #options: GatewayMetricsOptions;
  readonly #loaded: PromiseWithResolvers<Metrics> = Promise.withResolvers();

  constructor(options: GatewayMetricsOptions) {
    this.#options = options;
  }

  /** Begins to load; what is told or asked before waits. To be called once. */
  load(): void {
    this.#loaded.resolve(load(this.#options));
  }

  /** Tells an event, now or as soon as somebody listens. */
  tell(event: (metrics: Metrics) => void): void {
    this.#loaded.promise.then(event).catch((error: unknown) => {
      // Losing a number is no reason to stop, a mistake in this program is.
      process.nextTick(() => {
        throw error;
      });
    });
  }

  /** The text of one scrape. */
  async text(): Promise<string> {
    return await (await this.#loaded.promise).text();
  }
}

async function load(options: GatewayMetricsOptions): Promise<Metrics> {
  const { version, totals, current, blockCounts } = options;
  const { log, access, spans } = options.sinks;
  const { Metrics } = await import('../observe/metrics.ts');
  return new Metrics({
    build: { version, node: process.versions.node, openssl: process.versions.openssl },
    totals,
    feed: options.feed,
    sources: {
      connectionsActive: (service) => current().pools[service]?.state.connections() ?? 0,
      backends: (service) =>
        (current().config.services[service]?.backends ?? []).map(({ name }) => ({
          name,
          state: current().pools[service]?.stateOf(name) ?? 'down',
          active: current().pools[service]?.activeOf(name) ?? 0,
        })),
      queueDepth: (service) =>
        current().config.services[service]?.protocol === 'icap' ? current().pools[service]?.state.queued() : undefined,
      blockCounts,
      logLinesLost: () => log.lostCount + (access?.lostCount ?? 0),
      spans: () => spans?.counts ?? { exported: 0, lost: 0 },
    },
  });
}
