import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { SPAN_RESULTS } from './labels.ts';
import type { Logger } from './logger.ts';
import { exportRequest, type Resource } from './otlp.ts';
import { type Delivery, OtlpClient } from './otlp-client.ts';
import type { SpanRecord } from './span.ts';

export interface SpanExporterOptions {
  /** Base URL of the collector. */
  readonly url: string;
  readonly version: string;
  readonly log: Logger;
}

/** What became of spans since the start. */
export type SpanCounts = Readonly<Record<(typeof SPAN_RESULTS)[number], number>>;

const BATCH_SIZE = 512;
/** A span is some 700 bytes here: 6 MB while a collector is away. */
const MAX_PENDING = 8192;
const GATHER_MS = 1000;
const RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;
/** How often lost spans are told of; the metric has them at once. */
const TELL_LOSS_MS = 60_000;
/** At the end: a collector that is there takes what is left within milliseconds. */
const FAREWELL_MS = 2000;

/**
 * Sends spans to an OpenTelemetry collector, batch by batch, one request at a time. While it is away a bounded number
 * waits for it; the others are lost, counted, and told of when it is back. Lives on the main thread.
 */
export class SpanExporter implements AsyncDisposable {
  readonly #log: Logger;
  readonly #client: OtlpClient;
  readonly #resource: Resource;
  #pending: SpanRecord[] = [];
  #exportedCount = 0;
  #lostCount = 0;
  /** Of `#lostCount`, what the log knows of. */
  #toldCount = 0;
  #toldMs = Number.NEGATIVE_INFINITY;
  #isInTrouble = false;
  #retryMs = RETRY_MS;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #isEnding = false;

  constructor({ url, version, log }: SpanExporterOptions) {
    this.#log = log;
    this.#client = new OtlpClient(url);
    this.#resource = { version, hostName: hostname(), instance: randomUUID() };
  }

  get counts(): SpanCounts {
    return { exported: this.#exportedCount, lost: this.#lostCount };
  }

  /** Takes spans from a worker, and the number of those it had to drop itself. */
  add(spans: readonly SpanRecord[], lostCount: number): void {
    const room = Math.min(spans.length, MAX_PENDING - this.#pending.length);
    this.#lostCount += lostCount + spans.length - room;
    for (let index = 0; index < room; index += 1) this.#pending.push(spans[index] as SpanRecord);
    if (this.#sending !== undefined || this.#pending.length === 0) return;
    if (this.#pending.length >= BATCH_SIZE && !this.#isInTrouble) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), GATHER_MS).unref();
  }

  /** Sends what is left, if the collector takes it at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    const deadline = setTimeout(() => this.#client[Symbol.dispose](), FAREWELL_MS);
    do {
      if (this.#sending === undefined && this.#pending.length > 0) this.#send();
      await this.#sending;
    } while (this.#pending.length > 0 && !this.#isInTrouble);
    clearTimeout(deadline);
    clearTimeout(this.#timer);
    this.#client[Symbol.dispose]();
    this.#lostCount += this.#pending.length;
    this.#pending = [];
    this.#tellLoss();
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#pending.slice(0, BATCH_SIZE);
    this.#sending = this.#client.post(exportRequest(batch, this.#resource)).then((delivery) => {
      this.#sending = undefined;
      this.#sent(batch.length, delivery);
    });
  }

  #sent(count: number, delivery: Delivery): void {
    if (delivery.result === 'later') {
      this.#failed(delivery.detail);
      this.#schedule(this.#retryMs);
      this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
      return;
    }
    this.#pending.splice(0, count);
    this.#retryMs = RETRY_MS;
    const rejected = delivery.result === 'refused' ? count : Math.min(count, delivery.rejectedCount);
    this.#lostCount += rejected;
    this.#exportedCount += count - rejected;
    if (delivery.result === 'refused') this.#failed(delivery.detail);
    else this.#recovered();
    if (this.#pending.length > 0) this.#schedule(this.#pending.length >= BATCH_SIZE ? 0 : GATHER_MS);
  }

  #schedule(delayMs: number): void {
    if (!this.#isEnding) this.#timer = setTimeout(() => this.#send(), delayMs).unref();
  }

  #failed(detail: string): void {
    if (!this.#isInTrouble) this.#log.log('traces-failed', { collector: this.#client.url, detail });
    this.#isInTrouble = true;
  }

  #recovered(): void {
    if (this.#isInTrouble) this.#log.log('traces-recovered', { collector: this.#client.url });
    this.#isInTrouble = false;
    if (performance.now() - this.#toldMs >= TELL_LOSS_MS) this.#tellLoss();
  }

  #tellLoss(): void {
    const count = this.#lostCount - this.#toldCount;
    if (count === 0) return;
    this.#toldCount = this.#lostCount;
    this.#toldMs = performance.now();
    this.#log.log('traces-lost', { count, collector: this.#client.url });
  }
}
