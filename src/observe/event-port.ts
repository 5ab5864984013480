import type { MessagePort } from 'node:worker_threads';
import type { Config } from '../config/config.ts';
import type { AccessLog } from './access-log.ts';
import type { AccessRecord } from './access-record.ts';
import type { LogEventName, LogEvents, LogRecord } from './log-event.ts';
import type { EnabledEvents } from './log-format.ts';
import type { Logger } from './logger.ts';
import type { SpanRecord } from './span.ts';
import type { SpanExporter } from './span-exporter.ts';

/** What a worker posts. The answer to each batch is one message of any content, once it is dealt with. */
export interface EventBatch {
  readonly log: readonly LogRecord[];
  readonly access: readonly AccessRecord[];
  readonly spans: readonly SpanRecord[];
  /** Records of the logs dropped since the batch before. */
  readonly lost: number;
  readonly lostSpans: number;
}

/** Where events end. */
export interface EventSinks {
  readonly log: Logger;
  /** Undefined where there is no access log. */
  readonly access: AccessLog | undefined;
  /** Undefined where nothing is traced. */
  readonly spans: SpanExporter | undefined;
}

/** What is to be sent; the rest need not be built. */
export interface EventWishes {
  readonly enabled: EnabledEvents;
  /** Whether there is an access log. */
  readonly access: boolean;
  /** Whether it is written in the squid layout. */
  readonly squid: boolean;
  /** 0 to 1, part of the traces that begin here; undefined: nothing is traced. */
  readonly traceSample: number | undefined;
}

export interface EventPortOptions extends EventWishes {
  /** One end of a channel that carries nothing else; the main thread gives the other to `receiveEvents`. */
  readonly port: MessagePort;
}

const BATCH_SIZE = 64;
const MAX_UNANSWERED_BATCHES = 16;
const MAX_PENDING = 1024;

/**
 * A worker's way to the logs. Records travel in batches, once per turn of the event loop; while the main thread does
 * not keep up they wait here, and beyond a bound they are dropped and counted.
 */
export class EventPort {
  /** Build an access record only if it is wanted. */
  readonly accessEnabled: boolean;
  /** Whether `IcapAccess.squid` is wanted too. */
  readonly squidEnabled: boolean;
  /** Undefined where nothing is traced. */
  readonly traceSample: number | undefined;
  readonly #port: MessagePort;
  #enabled: EnabledEvents;
  #log: LogRecord[] = [];
  #access: AccessRecord[] = [];
  #spans: SpanRecord[] = [];
  #lost = 0;
  #lostSpans = 0;
  #unanswered = 0;
  #scheduled = false;
  readonly #waiting: (() => void)[] = [];

  constructor({ port, enabled, access, squid, traceSample }: EventPortOptions) {
    this.#port = port;
    this.#enabled = enabled;
    this.accessEnabled = access;
    this.squidEnabled = access && squid;
    this.traceSample = traceSample;
    port.on('message', () => this.#answered());
    port.unref();
  }

  /** Sends these events from here on. */
  setEnabled(enabled: EnabledEvents): void {
    this.#enabled = enabled;
  }

  /** Ask before building fields that cost something. */
  isEnabled(event: LogEventName): boolean {
    return this.#enabled[event];
  }

  log<E extends LogEventName>(event: E, fields: LogEvents[E]): void {
    if (this.#enabled[event] && this.#hasRoom()) {
      this.#log.push({ event, timeMs: Date.now(), fields });
      this.#schedule();
    }
  }

  access(access: AccessRecord): void {
    if (this.accessEnabled && this.#hasRoom()) {
      this.#access.push(access);
      this.#schedule();
    }
  }

  /** Has a bound of its own: many spans must not push lines out of the logs. */
  span(span: SpanRecord): void {
    if (this.#spans.length >= MAX_PENDING) {
      this.#lostSpans += 1;
      return;
    }
    this.#spans.push(span);
    this.#schedule();
  }

  /** Sends what is pending now, for the end of a worker. */
  flush(): void {
    const [log, access, spans, lost, lostSpans] = [this.#log, this.#access, this.#spans, this.#lost, this.#lostSpans];
    if (this.#pending + spans.length + lost + lostSpans === 0) return;
    this.#log = [];
    this.#access = [];
    this.#spans = [];
    this.#lost = 0;
    this.#lostSpans = 0;
    this.#unanswered += 1;
    this.#port.postMessage({ log, access, spans, lost, lostSpans } satisfies EventBatch);
  }

  /** Sends what is pending, and resolves when the main thread has dealt with all that was ever sent. */
  async delivered(): Promise<void> {
    this.flush();
    if (this.#unanswered === 0) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  get #pending(): number {
    return this.#log.length + this.#access.length;
  }

  #hasRoom(): boolean {
    if (this.#pending < MAX_PENDING) return true;
    this.#lost += 1;
    return false;
  }

  #schedule(): void {
    if (this.#unanswered >= MAX_UNANSWERED_BATCHES) return;
    if (this.#pending + this.#spans.length >= BATCH_SIZE) {
      this.flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        if (this.#unanswered < MAX_UNANSWERED_BATCHES) this.flush();
      });
    }
  }

  #answered(): void {
    this.#unanswered -= 1;
    this.flush();
    if (this.#unanswered > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** What sinks want to be sent. */
export function wishesOf({ log, access, spans }: EventSinks, config: Pick<Config, 'log' | 'tracing'>): EventWishes {
  return {
    enabled: log.enabled,
    access: access !== undefined,
    squid: config.log.accessFormat === 'squid',
    traceSample: spans === undefined ? undefined : config.tracing.sample,
  };
}

/** The main thread's side: writes what a worker sends. */
export function receiveEvents(port: MessagePort, { log, access, spans }: EventSinks): void {
  port.on('message', (batch: EventBatch) => {
    for (const record of batch.log) log.write(record);
    for (const record of batch.access) access?.write(record);
    if (batch.lost > 0) log.lostBefore(batch.lost);
    spans?.add(batch.spans, batch.lostSpans);
    port.postMessage('done');
  });
  port.unref();
}
