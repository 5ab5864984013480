import type { Config } from '../config/config.ts';
import type { CounterLayout } from '../observe/counters.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Pool } from './pool.ts';

export interface GatewayMetricsOptions {
  readonly config: Config;
  readonly version: string;
  readonly layout: CounterLayout;
  readonly buffer: SharedArrayBuffer;
  /** One for each service. */
  readonly pools: readonly Pool[];
  readonly logLinesLost: () => number;
}

/** The metrics of a running gateway. Loading them takes longer than all the rest of the start: it goes on beside it. */
export class GatewayMetrics {
  readonly #loaded: Promise<Metrics>;

  constructor(options: GatewayMetricsOptions) {
    this.#loaded = load(options);
  }

  /** Tells an event, now or as soon as somebody listens. */
  tell(event: (metrics: Metrics) => void): void {
    this.#loaded.then(event).catch((error: unknown) => {
      // Losing a number is no reason to stop, a mistake in this program is.
      process.nextTick(() => {
        throw error;
      });
    });
  }

  /** The text of one scrape. */
  async text(): Promise<string> {
    return await (await this.#loaded).text();
  }
}

async function load(options: GatewayMetricsOptions): Promise<Metrics> {
  const { config, version, layout, buffer, pools, logLinesLost } = options;
  const { Metrics } = await import('../observe/metrics.ts');
  return new Metrics({
    build: { version, node: process.versions.node, openssl: process.versions.openssl },
    layout,
    buffer,
    sources: {
      connectionsActive: (service) => pools[service]?.state.connections() ?? 0,
      backends: (service) =>
        (config.services[service]?.backends ?? []).map(({ name }) => ({
          name,
          state: pools[service]?.stateOf(name) ?? 'down',
          active: pools[service]?.activeOf(name) ?? 0,
        })),
      queueDepth: (service) =>
        config.services[service]?.protocol === 'icap' ? pools[service]?.state.queued() : undefined,
      logLinesLost,
    },
  });
}
