import type { LogLevel } from '../config/config.ts';
import type { LogEventName, LogRecord } from './log-event.ts';
import { definitionOf, levelOf } from './log-table.ts';

/** Something that happened, for people who look at the status. */
export interface RecentEvent {
  /** ISO time of the last time. */
  readonly time: string;
  readonly level: LogLevel;
  readonly event: LogEventName;
  /** Null where it is about the whole gateway. */
  readonly service: string | null;
  readonly text: string;
}

/** A client that was turned away. The same one for the same reason is told once, with a count. */
export interface RecentRefusal extends RecentEvent {
  /** Without its port. */
  readonly client: string;
  readonly reason: string;
  readonly count: number;
}

const KEPT = 50;
const MAX_TEXT_LENGTH = 512;

const REFUSALS: ReadonlySet<LogEventName> = new Set<LogEventName>([
  'connection-rejected',
  'handshake-failed',
  'connection-redirected',
  'icap-request-refused',
  'icap-policy',
]);

const CHANGES: ReadonlySet<LogEventName> = new Set<LogEventName>([
  'backend-state',
  'backend-addresses',
  'resolve-failed',
  'resolve-recovered',
  'worker-died',
  'worker-started',
  'certificates-read',
  'certificates-failed',
  'reloaded',
  'reload-failed',
  'backend-weight',
  'address-blocked',
  'address-unblocked',
]);

/** Load balancers that only look whether somebody listens would push out everything else. */
const QUIET_LEVELS: ReadonlySet<LogLevel> = new Set<LogLevel>(['info', 'debug']);

/** Whether an event is kept here, whatever the level of the log. */
export function isRemembered(event: LogEventName): boolean {
  return REFUSALS.has(event) || CHANGES.has(event);
}

/** The last refusals and changes. Memory is bounded: fifty of each. */
export class RecentEvents {
  /** In the order of their last time. */
  readonly #refusals: Map<string, RecentRefusal> = new Map();
  readonly #changes: RecentEvent[] = [];

  add(record: LogRecord): void {
    if (CHANGES.has(record.event)) this.#addChange(describe(record));
    else if (REFUSALS.has(record.event)) this.#addRefusal(record);
  }

  /** The latest first. */
  get refusals(): readonly RecentRefusal[] {
    return [...this.#refusals.values()].reverse();
  }

  /** The latest first. */
  get changes(): readonly RecentEvent[] {
    return this.#changes.toReversed();
  }

  #addChange(change: RecentEvent): void {
    this.#changes.push(change);
    if (this.#changes.length > KEPT) this.#changes.shift();
  }

  #addRefusal(record: LogRecord): void {
    const told = describe(record);
    if (QUIET_LEVELS.has(told.level)) return;
    const { fields } = record;
    const client = 'client' in fields ? withoutPort(fields.client) : 'unknown';
    const reason = reasonOf(record);
    const key = JSON.stringify([told.event, told.service, client, reason]);
    const count = (this.#refusals.get(key)?.count ?? 0) + 1;
    this.#refusals.delete(key);
    this.#refusals.set(key, { ...told, client, reason, count });
    for (const oldest of this.#refusals.keys()) {
      if (this.#refusals.size <= KEPT) break;
      this.#refusals.delete(oldest);
    }
  }
}

function describe({ event, timeMs, fields }: LogRecord): RecentEvent {
  return {
    time: new Date(timeMs).toISOString(),
    level: levelOf(event, fields),
    event,
    service: 'service' in fields ? fields.service : null,
    text: definitionOf(event).text(fields).slice(0, MAX_TEXT_LENGTH),
  };
}

function reasonOf({ fields }: LogRecord): string {
  if ('reason' in fields) return fields.reason;
  if ('code' in fields) return fields.code;
  return 'policy' in fields ? fields.policy : '';
}

function withoutPort(client: string): string {
  return client.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
