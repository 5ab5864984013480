import type { SmcConfig } from '../../config/feed-config.ts';
import { GatewayError, messageOf } from '../../errors.ts';
import type { FeedTally } from '../../observe/feed-tally.ts';
import { SMC_ENTRY_RESULTS } from '../../observe/feed-tally.ts';
import type { Logger } from '../../observe/logger.ts';
import { BackOff } from '../back-off.ts';
import type { FeedClock } from '../contract/feed-clock.ts';
import type { FeedQueue, QueueChange } from '../contract/feed-queue.ts';
import type { FeedSink, SinkStatus } from '../contract/feed-sink.ts';
import { crash } from '../crash.ts';
import { loadPeerTrust, type PeerTrust } from '../peer-trust.ts';
import { EngineMemories } from './engine-memory.ts';
import { hasMissed } from './engine-order.ts';
import { SmcClient } from './smc-client.ts';
import { SmcError } from './smc-error.ts';
import { relayRound, type Target } from './smc-round.ts';
import { SmcSession } from './smc-session.ts';

export interface SmcSinkOptions {
  readonly config: SmcConfig;
  /** Asked for at each login, so that another key counts from then on. May throw. */
  readonly apiKey: () => string | Promise<string>;
  /** How long before an engine lets go of an address it gets it again. */
  readonly leadMs: number;
  /** Not owned. */
  readonly queue: FeedQueue;
  readonly clock: FeedClock;
  /** As Math.random. */
  readonly random: () => number;
  readonly log: Pick<Logger, 'log'>;
  readonly tally: FeedTally;
}

/** How long what is under way at the end may take before it is cut. */
const GRACE_MS = 3000;
/** After so many rounds the engines are listed anew. */
const MAX_ROUNDS = 1000;
/** Counts what expired before an SMC could say which engines there are. */
const UNKNOWN_ENGINE = 'unknown';

/** Begins to bring what is in the queue to the engines of an SMC. Throws TlsMaterialError where the CA cannot be used. */
export function startSmcSink(options: SmcSinkOptions): FeedSink {
  return new SmcSink(options, loadPeerTrust(options.config.ca));
}

/** One session at a time, from when something is due until nothing is. */
class SmcSink implements FeedSink {
  readonly name = 'smc';
  readonly #options: SmcSinkOptions;
  readonly #trust: PeerTrust;
  readonly #backOff: BackOff;
  readonly #memories: EngineMemories;
  readonly #subscription: Disposable;
  readonly #stop = new AbortController();
  #timer: Disposable | undefined;
  #session: Promise<void> | undefined;
  /** Until when what came waits for company. */
  #lingerUntilMs = 0;
  /** When it was last found out what comes next. */
  #seenMs = 0;
  #isStopping = false;
  #isCredentialTold = false;
  #up = false;
  #version: string | undefined;
  #lastSuccess: string | undefined;
  #lastError: string | undefined;

  constructor(options: SmcSinkOptions, trust: PeerTrust) {
    const { retry } = options.config;
    const backOff = { firstMs: retry.firstMs, mostMs: retry.mostMs, random: options.random };
    this.#options = options;
    this.#trust = trust;
    this.#backOff = new BackOff(backOff);
    this.#memories = new EngineMemories(backOff);
    this.#startAtZero([UNKNOWN_ENGINE]);
    this.#subscription = options.queue.onChange((change) => this.#onChange(change));
    this.#schedule();
  }

  status(): SinkStatus {
    return { up: this.#up, version: this.#version, lastSuccess: this.#lastSuccess, lastError: this.#lastError };
  }

  retryNow(): void {
    const { queue, clock } = this.#options;
    this.#backOff.forget();
    this.#memories.forgetPauses();
    this.#isCredentialTold = false;
    const nowMs = clock.nowMs();
    const waiting = [...queue.entries()].filter(({ isPending, untilMs }) => isPending && untilMs > nowMs);
    queue.conclude(waiting.map(({ address }) => ({ address, retryAtMs: nowMs }))).then(
      () => this.#schedule(),
      (error: unknown) => this.#onBroken(error),
    );
    this.#schedule();
  }

  /** Lets what is under way come to its end, within bounds, and logs out. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    this.#subscription[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
    const cut = setTimeout(() => this.#stop.abort(), GRACE_MS);
    await this.#session;
    clearTimeout(cut);
  }

  #onChange({ kind, entries }: QueueChange): void {
    const { clock, config } = this.#options;
    const nowMs = clock.nowMs();
    if (kind === 'put' && nowMs >= this.#lingerUntilMs) this.#lingerUntilMs = nowMs + config.lingerMs;
    if (kind === 'expired') {
      const names = this.#memories.names.length > 0 ? this.#memories.names : [UNKNOWN_ENGINE];
      let count = 0;
      for (const { isPending, engines } of entries) {
        const missed = names.filter((name) => isPending && hasMissed(engines.get(name)));
        for (const name of missed) this.#options.tally.smcEntries(name, 'expired', 1);
        if (missed.length > 0) count += 1;
      }
      if (count > 0) this.#options.log.log('smc-expired', { count });
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isStopping || this.#session !== undefined) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const { queue, clock, leadMs } = this.#options;
    const nowMs = clock.nowMs();
    const isSetBack = nowMs < this.#seenMs;
    this.#seenMs = nowMs;
    if (isSetBack) {
      // What was to wait for a moment would wait for as long as the clock was set back.
      this.#lingerUntilMs = 0;
      this.retryNow();
      return;
    }
    const dueMs = queue.nextDueMs(leadMs);
    if (dueMs === undefined) return;
    const startMs = Math.max(dueMs, this.#lingerUntilMs, this.#backOff.readyMs);
    this.#timer = clock.after(Math.max(0, startMs - nowMs), () => this.#begin());
  }

  #begin(): void {
    const { queue, clock, leadMs } = this.#options;
    if (this.#isStopping || this.#session !== undefined) return;
    // A timer cannot be set as far ahead as a pause may last.
    if (clock.nowMs() < this.#backOff.readyMs || queue.due(clock.nowMs(), leadMs).length === 0) {
      this.#schedule();
      return;
    }
    this.#session = this.#work()
      .then(
        () => this.#worked(),
        (error: unknown) => this.#onBroken(error),
      )
      .finally(() => {
        this.#session = undefined;
        this.#schedule();
      });
  }

  async #work(): Promise<void> {
    const { config, clock, tally, apiKey } = this.#options;
    using client = new SmcClient({ endpoint: config.endpoint, trust: this.#trust, tally });
    await using session = await SmcSession.open({
      client,
      apiKey: await readKey(apiKey),
      apiVersion: config.apiVersion,
      domain: config.domain,
      timeoutMs: config.timeoutMs,
      nowMs: () => clock.nowMs(),
      signal: this.#stop.signal,
    });
    this.#version = session.version;
    await this.#drain(session, await this.#targets(session));
  }

  async #targets(session: SmcSession): Promise<readonly Target[]> {
    const { config, log } = this.#options;
    const engines = await session.engines();
    if (engines.length === 0) {
      throw new SmcError({ remedy: 'wait', detail: 'engines: it lists none (may the API client see the engines?)' });
    }
    const targets = engines.filter(({ name }) => !config.excludeEngines.includes(name));
    const fresh = this.#memories.keepOnly(targets.map(({ name }) => name));
    this.#startAtZero(fresh);
    const unknown = config.excludeEngines.filter((name) => !engines.some((engine) => engine.name === name));
    if (unknown.length > 0 && this.#lastSuccess === undefined) log.log('smc-exclusion-unknown', { engines: unknown });
    return targets;
  }

  async #drain(session: SmcSession, targets: readonly Target[]): Promise<void> {
    const { queue, clock, log, tally, leadMs } = this.#options;
    const context = {
      queue,
      clock,
      memories: this.#memories,
      log,
      tally,
      leadMs,
      signal: this.#stop.signal,
    };
    for (let round = 0; round < MAX_ROUNDS && !this.#isStopping; round += 1) {
      const entries = queue.due(clock.nowMs(), leadMs);
      if (entries.length === 0) return;
      await relayRound(session, targets, entries, context);
    }
  }

  #worked(): void {
    const { clock, config, log, tally } = this.#options;
    if (this.#backOff.failureCount > 0) {
      log.log('smc-recovered', { endpoint: config.endpoint, version: this.#version });
    }
    this.#backOff.succeeded();
    this.#isCredentialTold = false;
    this.#up = true;
    this.#lastSuccess = new Date(clock.nowMs()).toISOString();
    this.#lastError = undefined;
    tally.smcUp(true);
  }

  /** The SMC, the key or the queue failed; anything else is a mistake in this program. */
  #onBroken(error: unknown): void {
    if (this.#isStopping && (error === this.#stop.signal.reason || error instanceof GatewayError)) return;
    if (!(error instanceof GatewayError)) {
      crash(error);
      return;
    }
    const { clock, config, log, tally } = this.#options;
    const nowMs = clock.nowMs();
    const { endpoint, retry } = config;
    const isFirst = this.#backOff.failureCount === 0;
    const detail = error.message;
    if (error instanceof SmcError && error.remedy === 'credential') {
      this.#backOff.holdUntil(nowMs + retry.authMs);
      if (!this.#isCredentialTold) log.log('smc-login-refused', { endpoint, detail, retryMs: retry.authMs });
      this.#isCredentialTold = true;
    } else {
      const retryMs = this.#backOff.failed(nowMs, error instanceof SmcError ? error.retryAfterMs : undefined) - nowMs;
      if (isFirst) log.log('smc-failed', { endpoint, detail, retryMs });
    }
    this.#up = false;
    this.#lastError = detail;
    tally.smcUp(false);
    this.#schedule();
  }

  /** A series that appears with its first event hides that event from `rate()`. */
  #startAtZero(engines: readonly string[]): void {
    for (const engine of engines) {
      for (const result of SMC_ENTRY_RESULTS) this.#options.tally.smcEntries(engine, result, 0);
    }
  }
}

async function readKey(apiKey: SmcSinkOptions['apiKey']): Promise<string> {
  try {
    return await apiKey();
  } catch (cause) {
    throw new SmcError({ remedy: 'credential', detail: `the API key cannot be read: ${messageOf(cause)}`, cause });
  }
}
