import type { MessagePort } from 'node:worker_threads';
import type { AccessLog } from './access-log.ts';
import type { AccessRecord } from './access-record.ts';
import type { LogEventName, LogEvents, LogRecord } from './log-event.ts';
import type { EnabledEvents } from './log-format.ts';
import type { Logger } from './logger.ts';

/** What a worker posts. The answer to each batch is one message of any content, once it is dealt with. */
export interface EventBatch {
  readonly log: readonly LogRecord[];
  readonly access: readonly AccessRecord[];
  /** Records dropped since the batch before. */
  readonly lost: number;
}

export interface EventPortOptions {
  /** One end of a channel that carries nothing else; the main thread gives the other to `receiveEvents`. */
  readonly port: MessagePort;
  readonly enabled: EnabledEvents;
  /** Whether there is an access log. */
  readonly access: boolean;
  /** Whether it is written in the squid layout. */
  readonly squid: boolean;
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
  readonly #port: MessagePort;
  readonly #enabled: EnabledEvents;
  #log: LogRecord[] = [];
  #access: AccessRecord[] = [];
  #lost = 0;
  #unanswered = 0;
  #scheduled = false;

  constructor({ port, enabled, access, squid }: EventPortOptions) {
    this.#port = port;
    this.#enabled = enabled;
    this.accessEnabled = access;
    this.squidEnabled = access && squid;
    port.on('message', () => this.#answered());
    port.unref();
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

  /** Sends what is pending now, for the end of a worker. */
  flush(): void {
    const batch: EventBatch = { log: this.#log, access: this.#access, lost: this.#lost };
    if (this.#pending === 0 && batch.lost === 0) return;
    this.#log = [];
    this.#access = [];
    this.#lost = 0;
    this.#unanswered += 1;
    this.#port.postMessage(batch);
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
    if (this.#pending >= BATCH_SIZE) {
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
  }
}

/** The main thread's side: writes what a worker sends. `access` is undefined where there is no access log. */
export function receiveEvents(port: MessagePort, log: Logger, access: AccessLog | undefined): void {
  port.on('message', (batch: EventBatch) => {
    for (const record of batch.log) log.write(record);
    for (const record of batch.access) access?.write(record);
    if (batch.lost > 0) log.lostBefore(batch.lost);
    port.postMessage('done');
  });
  port.unref();
}
