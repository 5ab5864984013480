import type { CounterTotals, HistogramTotals } from '../observe/counter-totals.ts';
import {
  CONTENT_METHODS,
  HANDSHAKE_BUCKETS_SECONDS,
  ICAP_BUCKETS_SECONDS,
  VERDICTS,
  type VerdictLabel,
} from '../observe/labels.ts';
import { LastMinute } from '../observe/last-minute.ts';
import { type Latency, latencyOf } from '../observe/quantile.ts';

/** What one service did within the last minute. */
export interface RecentWork {
  readonly verdicts: Readonly<Record<VerdictLabel, number>>;
  readonly requests: Latency | null;
  readonly handshakes: Latency | null;
}

export interface CountedServices {
  /** In the order of the totals. */
  readonly names: readonly string[];
  readonly totals: CounterTotals;
}

const SAMPLE_MS = 5_000;

/** Remembers for a minute what the services have counted. A service that stays keeps its past through a reload. */
export class StatusHistory implements Disposable {
  readonly #read: () => CountedServices;
  #windows: Map<string, LastMinute> = new Map();
  #timer: NodeJS.Timeout | undefined;

  /** `read` is called every few seconds from `start` on. */
  constructor(read: () => CountedServices) {
    this.#read = read;
  }

  start(): void {
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS).unref();
  }

  /** What the service with this index did. */
  of(index: number): RecentWork {
    const { names, totals } = this.#read();
    const gained = this.#windows.get(names[index] ?? '')?.gained(countsOf(totals, index)) ?? [];
    const verdictAt = (verdict: VerdictLabel): number => gained[VERDICTS.indexOf(verdict)] ?? 0;
    const requestsAt = VERDICTS.length;
    const handshakesAt = requestsAt + ICAP_BUCKETS_SECONDS.length + 1;
    return {
      verdicts: {
        allowed: verdictAt('allowed'),
        modified: verdictAt('modified'),
        blocked: verdictAt('blocked'),
        bypassed: verdictAt('bypassed'),
        error: verdictAt('error'),
        aborted: verdictAt('aborted'),
      },
      requests: latencyAt(ICAP_BUCKETS_SECONDS, gained, requestsAt),
      handshakes: latencyAt(HANDSHAKE_BUCKETS_SECONDS, gained, handshakesAt),
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const { names, totals } = this.#read();
    const nowMs = performance.now();
    this.#windows = new Map(names.map((name) => [name, this.#windows.get(name) ?? new LastMinute()]));
    for (const [index, name] of names.entries()) this.#windows.get(name)?.record(nowMs, countsOf(totals, index));
  }
}

/** Verdicts, then two histograms: the buckets, and behind them the count. */
function countsOf(totals: CounterTotals, service: number): readonly number[] {
  const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0);
  const perMethod = CONTENT_METHODS.map((method) => bucketsOf(totals.icapSeconds(service, method)));
  return [
    ...VERDICTS.map((verdict) => sumOf(CONTENT_METHODS.map((method) => totals.icapVerdicts(service, method, verdict)))),
    ...(perMethod[0]?.map((_, bucket) => sumOf(perMethod.map((buckets) => buckets[bucket] ?? 0))) ?? []),
    ...bucketsOf(totals.handshakeSeconds(service)),
  ];
}

function bucketsOf({ cumulative, count }: HistogramTotals): readonly number[] {
  return [...cumulative, count];
}

function latencyAt(bounds: readonly number[], gained: readonly number[], start: number): Latency | null {
  const end = start + bounds.length;
  return latencyOf(bounds, { cumulative: gained.slice(start, end), count: gained[end] ?? 0 });
}
