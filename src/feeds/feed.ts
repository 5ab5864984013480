import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import type { FeedsConfig, FeedTlsConfig } from '../config/feed-config.ts';
import { RuntimeError } from '../errors.ts';
import type { FeedCounts } from '../observe/feed-counts.ts';
import type { FeedMetricsSource } from '../observe/feed-metrics.ts';
import type { Logger } from '../observe/logger.ts';
import type { KeyPair } from '../tls/material.ts';
import type { FeedClock } from './contract/feed-clock.ts';
import type { FeedQueue } from './contract/feed-queue.ts';
import type { FeedSink, SinkStatus } from './contract/feed-sink.ts';
import type { GatewayFeed } from './contract/gateway-feed.ts';
import { feedExpiries } from './feed-expiry.ts';
import { type FeedMaterial, reloadFeedMaterial } from './feed-material.ts';
import { FindingIntake } from './finding-intake.ts';
import { Guard } from './guard.ts';
import {
  GUARD_DUTY_LIMITS,
  type GuardDutyListener,
  type GuardDutySettings,
  startGuardDuty,
} from './guardduty/guardduty-listener.ts';
import { Lifter } from './lifter.ts';
import { openQueue, type QueueRules } from './open-queue.ts';
import { OwnAddresses } from './own-addresses.ts';
import { ownHosts } from './own-hosts.ts';
import { loadBroker } from './rabbitmq/broker.ts';
import { readSecret } from './secret.ts';
import { startSmcSink } from './smc/smc-sink.ts';

export interface FeedOptions {
  readonly config: Config;
  /** Where the state is kept. */
  readonly folder: string;
  readonly material: FeedMaterial;
  readonly clock: FeedClock;
  /** As Math.random. */
  readonly random: () => number;
  readonly counts: FeedCounts;
  readonly log: Pick<Logger, 'log'>;
  /** Addresses of backends, as they are known at the moment of the call. */
  readonly backends: () => readonly string[];
}

/** What `/api/v1/blocked` says beside the entries. */
export interface FeedStatus {
  readonly queue: { readonly type: string; readonly depth: number; readonly oldestSeconds: number };
  /** Null: nothing is relayed. */
  readonly smc: SinkStatus | null;
  /** Why findings cannot be kept at the moment; undefined: they can. */
  readonly trouble: string | undefined;
}

const SOURCE = 'guardduty';
/** Well within the second in which an address is to be free again. */
const EXPIRE_MS = 250;
/** How long the start waits for names to resolve. */
const RESOLVE_PATIENCE_MS = 1_000;

/** The threat feed of one process: its sources, its queue and its sinks, and what holds them together. */
export class Feed implements GatewayFeed, AsyncDisposable {
  readonly queue: FeedQueue;
  readonly #options: FeedOptions;
  #config: Config;
  #feeds: FeedsConfig;
  #material: FeedMaterial;
  /** As at the start: another broker takes a restart. */
  readonly #brokerHosts: readonly string[];
  readonly #lifter: Lifter;
  #own: OwnAddresses;
  #guard: Guard;
  #listener: GuardDutyListener | undefined;
  #sink: FeedSink | undefined;
  #ticker: Disposable | undefined;
  #subscription: Disposable | undefined;

  private constructor(options: FeedOptions, feeds: FeedsConfig, createQueue: (rules: QueueRules) => FeedQueue) {
    this.#options = options;
    this.#config = options.config;
    this.#feeds = feeds;
    this.#material = options.material;
    this.#brokerHosts = brokerHosts(feeds);
    this.#own = this.#createOwn();
    this.#guard = this.#createGuard();
    this.queue = createQueue({
      maxEntries: () => this.#feeds.maxEntries,
      leadMs: () => leadOf(this.#feeds),
      isBlockable: (address) => this.#guard.reasonAgainst(address) === undefined,
    });
    this.#lifter = new Lifter({ queue: this.queue, log: options.log });
  }

  /** Opens the queue, so that what is blocked is known; nothing else begins. Throws as `openQueue`. */
  static async open(options: FeedOptions): Promise<Feed> {
    const { feeds } = options.config;
    if (feeds === undefined) throw new RangeError('the configuration has no feeds');
    return new Feed(options, feeds, await openQueue({ ...options, feeds }));
  }

  /** `host:port` as really bound; undefined where there is no listener. */
  get address(): string | undefined {
    return this.#listener?.address;
  }

  /** Begins to take findings and to relay them. Throws `ICAPGW_LISTEN`; what has begun ends with disposal. */
  async start(): Promise<void> {
    const { clock, counts, log } = this.#options;
    await this.#resolveOwn();
    await this.#lifter.liftAll(this.#guard);
    this.#tick();
    this.#subscription = this.queue.onChange(({ kind, entries }) => {
      if (kind !== 'expired') return;
      for (const { address } of entries) log.log('feed-address-expired', { address });
    });
    const { guardDuty } = this.#feeds;
    if (guardDuty !== undefined) {
      this.#listener = await startGuardDuty({
        ...settingsOf(this.#feeds, this.#material),
        ...{ host: guardDuty.host, port: guardDuty.port, clock, log },
        tally: counts,
        ...GUARD_DUTY_LIMITS,
        intake: new FindingIntake({
          ...{ source: SOURCE, queue: this.queue, clock, log },
          guard: () => this.#guard,
          durationMs: () => this.#feeds.durationMs,
          tally: counts,
        }),
      });
    }
    this.#startSink();
  }

  /**
   * Takes another configuration, as far as that goes without a restart, and reads the key of the SMC again. What may
   * never be blocked any more is lifted. Throws `ICAPGW_FEED_STATE` where a file that it needs cannot be used any more.
   */
  async reload(config: Config): Promise<void> {
    const { feeds } = config;
    if (feeds === undefined) return;
    const material = reloadFeedMaterial(feeds);
    const isSinkSame = JSON.stringify(sinkOf(this.#feeds)) === JSON.stringify(sinkOf(feeds));
    this.#config = config;
    this.#feeds = feeds;
    this.#material = material;
    this.#own[Symbol.dispose]();
    this.#own = this.#createOwn();
    this.#guard = this.#createGuard();
    await this.#resolveOwn();
    // Without its settings it would be open to anyone.
    if (feeds.guardDuty === undefined) await this.stopTaking();
    else this.#listener?.configure(settingsOf(feeds, material));
    await this.#lifter.liftAll(this.#guard);
    if (isSinkSame) {
      this.#sink?.retryNow();
      return;
    }
    await this.#sink?.[Symbol.asyncDispose]();
    this.#sink = undefined;
    this.#startSink();
  }

  /** What is configured of the certificate that the listener shows; undefined: none. */
  get tls(): FeedTlsConfig | undefined {
    return this.#feeds.guardDuty?.tls;
  }

  get keyPair(): KeyPair | undefined {
    return this.#material.keyPair;
  }

  /** Shows another certificate from the next connection on. */
  useKeyPair(keyPair: KeyPair): void {
    this.#material = { ...this.#material, keyPair };
    this.#listener?.configure(settingsOf(this.#feeds, this.#material));
  }

  /** Takes nothing more, and goes on with what it has. */
  async stopTaking(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    await listener?.[Symbol.asyncDispose]();
  }

  /** The addresses of this process and of those it needs, in canonical form, as they are now. */
  own(): ReadonlySet<string> {
    return this.#own.current();
  }

  status(): FeedStatus {
    const { trouble } = this.queue.status();
    return { queue: { type: this.queue.type, ...this.#backlog() }, smc: this.#sink?.status() ?? null, trouble };
  }

  get metrics(): FeedMetricsSource {
    const { counts } = this.#options;
    return {
      ...{ counts, hasSmc: relays(this.#feeds), backlog: () => this.#backlog() },
      certificateEndMs: () => feedExpiries(this.keyPair, Date.now())[0]?.notAfterMs,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopTaking();
    this.#ticker?.[Symbol.dispose]();
    this.#subscription?.[Symbol.dispose]();
    this.#own[Symbol.dispose]();
    await this.#sink?.[Symbol.asyncDispose]();
    await this.queue[Symbol.asyncDispose]();
  }

  #startSink(): void {
    const { clock, random, counts, log } = this.#options;
    const { smc } = this.#feeds;
    if (smc === undefined || !relays(this.#feeds)) return;
    const apiKey = (): string => {
      const key = readSecret(this.#feeds.smc?.apiKey ?? smc.apiKey, 'feeds.smc.api-key-file');
      if (key === undefined) throw new RuntimeError('ICAPGW_FEED_STATE', { detail: 'there is no API key' });
      return key;
    };
    this.#sink = startSmcSink({
      config: smc,
      apiKey,
      leadMs: leadOf(this.#feeds),
      queue: this.queue,
      clock,
      random,
      log,
      tally: counts,
    });
  }

  #createOwn(): OwnAddresses {
    const { clock, backends } = this.#options;
    return new OwnAddresses({ hosts: [...ownHosts(this.#config), ...this.#brokerHosts], others: backends, clock });
  }

  #createGuard(): Guard {
    const own = this.#own;
    const { blockable } = this.#feeds;
    return new Guard({ blockable, allow: this.#config.blockList.allow, own: () => own.current() });
  }

  async #resolveOwn(): Promise<void> {
    await Promise.race([this.#own.start(), delay(RESOLVE_PATIENCE_MS, undefined, { ref: false })]);
  }

  #tick(): void {
    const { clock } = this.#options;
    this.#ticker = clock.after(EXPIRE_MS, () => {
      this.queue.expire(clock.nowMs()).catch(() => {});
      // With other addresses once more: the queue says itself that it cannot.
      this.#lifter.liftOwn(this.own()).catch(() => {});
      this.#tick();
    });
  }

  #backlog(): { readonly depth: number; readonly oldestSeconds: number } {
    // Without an SMC nobody is waited for.
    if (!relays(this.#feeds)) return { depth: 0, oldestSeconds: 0 };
    const { depth, oldestMs } = this.queue.status();
    const waitedMs = oldestMs === undefined ? 0 : Math.max(0, this.#options.clock.nowMs() - oldestMs);
    return { depth, oldestSeconds: Math.round(waitedMs / 1000) };
  }
}

function settingsOf(
  { guardDuty, minSeverity }: FeedsConfig,
  { token, hmacKey, keyPair }: FeedMaterial,
): GuardDutySettings {
  return {
    token,
    hmacKey,
    bodyLimitBytes: guardDuty?.bodyLimitBytes ?? 0,
    ratePerSecond: guardDuty?.ratePerSecond ?? 0,
    allowFrom: guardDuty?.allowFrom ?? [],
    minSeverity,
    tls: keyPair && { keyPair, minVersion: guardDuty?.tls?.minVersion ?? 'TLSv1.2' },
  };
}

/** Its address may stand in a file, which a configuration alone does not tell. */
function brokerHosts({ queue }: FeedsConfig): readonly string[] {
  return queue.type === 'rabbitmq' ? [loadBroker(queue).address.hostname] : [];
}

/** Whether this process brings anything to an SMC. */
function relays({ smc, queue }: FeedsConfig): boolean {
  return smc !== undefined && (queue.type === 'embedded' || queue.relay);
}

/** Half of the time for which engines are told: the other half is there to reach them again. */
function leadOf({ durationMs }: FeedsConfig): number {
  return durationMs / 2;
}

/** What a sink is made of; the key is asked for each time. */
function sinkOf({ smc, durationMs }: FeedsConfig): unknown {
  return smc === undefined ? undefined : { ...smc, apiKey: undefined, durationMs };
}
