import type { SmcConfig } from '../../src/config/feed-config.ts';
import type { FeedQueue, Sighting } from '../../src/feeds/contract/feed-queue.ts';
import type { FeedSink } from '../../src/feeds/contract/feed-sink.ts';
import { EmbeddedQueue } from '../../src/feeds/queue/embedded-queue.ts';
import { startSmcSink } from '../../src/feeds/smc/smc-sink.ts';
import type { FeedTally } from '../../src/observe/feed-tally.ts';
import type { LogEventName, LogEvents } from '../../src/observe/log-event.ts';
import { type FakeSmc, type FakeSmcOptions, startFakeSmc } from './fake-smc.ts';
import { createFeedClock, type FakeFeedClock } from './feed-clock.ts';
import { createMemoryDisk } from './feed-memory-disk.ts';

export interface SmcRigOptions extends FakeSmcOptions {
  readonly config?: Partial<SmcConfig>;
  /** Asked for at each login. */
  readonly apiKey?: string;
  readonly keyOf?: () => string;
  readonly durationMs?: number;
}

/** A sink with its queue and an SMC, in a time that a test moves. */
export interface SmcRig extends AsyncDisposable {
  readonly smc: FakeSmc;
  readonly queue: FeedQueue;
  readonly clock: FakeFeedClock;
  readonly sink: FeedSink;
  readonly events: readonly LoggedEvent[];
  /** Counters as in the metrics: `add 201`, `NGFW 1 added`, and `up`. */
  readonly counts: ReadonlyMap<string, number>;
  eventsOf<E extends LogEventName>(event: E): readonly LogEvents[E][];
  /** Blocks addresses for the configured time from now. */
  put(...addresses: readonly string[]): Promise<void>;
  /** Lets so much time pass, and waits for the end of the session that begins then. */
  session(afterMs: number): Promise<void>;
  /** Lets time pass in which no session begins. */
  quiet(ms: number): Promise<void>;
}

export interface LoggedEvent {
  readonly event: LogEventName;
  readonly fields: LogEvents[LogEventName];
}

export const LINGER_MS = 500;
export const HOUR_MS = 3_600_000;

export async function startSmcRig(options: SmcRigOptions = {}): Promise<SmcRig> {
  const { durationMs = HOUR_MS } = options;
  const smc = await startFakeSmc(options);
  const clock = createFeedClock();
  const queue = new EmbeddedQueue({
    disk: createMemoryDisk(),
    clock,
    maxEntries: () => 100_000,
    onTrouble: () => {},
  });
  const events: LoggedEvent[] = [];
  const counts: Map<string, number> = new Map();
  let sessionEnds = Promise.withResolvers<void>();
  let begunCount = 0;
  const count = (key: string, by: number): void => void counts.set(key, (counts.get(key) ?? 0) + by);
  const tally: FeedTally = {
    request() {},
    addresses() {},
    ignored() {},
    smcUp(isUp) {
      counts.set('up', Number(isUp));
      sessionEnds.resolve();
      sessionEnds = Promise.withResolvers();
    },
    smcRequest: (operation, code) => count(`${operation} ${code}`, 1),
    smcEntries: (engine, result, by) => count(`${engine} ${result}`, by),
  };
  const start = (): FeedSink =>
    startSmcSink({
      config: {
        endpoint: smc.url,
        apiKey: { value: undefined, file: undefined },
        apiVersion: '6.7',
        domain: undefined,
        ca: undefined,
        excludeEngines: [],
        timeoutMs: 5000,
        lingerMs: LINGER_MS,
        retry: { firstMs: 1000, mostMs: 60_000, authMs: 300_000 },
        ...options.config,
      },
      // Asked for first of all in each session.
      apiKey: () => {
        begunCount += 1;
        return options.keyOf?.() ?? smc.apiKey;
      },
      leadMs: durationMs / 2,
      queue,
      clock,
      // In the middle of the spread: pauses are what is configured.
      random: () => 0.5,
      log: { log: (event, fields) => void events.push({ event, fields }) },
      tally,
    });
  const sink = await startOr(start, smc);
  const sighting = (address: string): Sighting => ({
    address,
    source: 'guardduty',
    type: 'Recon:EC2/PortProbeUnprotectedPort',
    untilMs: clock.nowMs() + durationMs,
    findings: 1,
  });
  return {
    smc,
    queue,
    clock,
    sink,
    events,
    counts,
    eventsOf<E extends LogEventName>(wanted: E) {
      return events.filter(({ event }) => event === wanted).map(({ fields }) => fields as LogEvents[E]);
    },
    async put(...addresses) {
      await queue.put(addresses.map(sighting));
    },
    async session(afterMs) {
      const ended = sessionEnds.promise;
      clock.advance(afterMs);
      await ended;
      await turn();
    },
    async quiet(ms) {
      const before = begunCount;
      clock.advance(ms);
      await turn();
      if (begunCount !== before) throw new Error('a session has begun');
    },
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]();
      await queue[Symbol.asyncDispose]();
      await smc[Symbol.asyncDispose]();
    },
  };
}

async function startOr(start: () => FeedSink, smc: FakeSmc): Promise<FeedSink> {
  try {
    return start();
  } catch (error) {
    await smc[Symbol.asyncDispose]();
    throw error;
  }
}

/** What is due without a wait has happened after it. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
