import type { LogLevel } from '../config/config.ts';
import type { LogConfig } from '../config/log-config.ts';
import { createConnectionName } from './connection-name.ts';
import type { LogEventName, LogEvents, LogRecord } from './log-event.ts';
import {
  type EnabledEvents,
  enabledEvents,
  type FormatOptions,
  formatRecord,
  mostTalkative,
  passesLevel,
  type ServiceNames,
} from './log-format.ts';
import { failureOf, type LogPlace, type LogSinks, type OpenFailure, openLogSinks } from './log-sinks.ts';
import { definitionOf, LOG_EVENT_NAMES } from './log-table.ts';
import { RateLimit } from './rate-limit.ts';
import { isRemembered, RecentEvents } from './recent-events.ts';
import type { SyslogSink } from './syslog-sink.ts';

export interface LoggerOptions extends FormatOptions, Omit<LogConfig, 'access' | 'accessFormat'> {
  /** Of what is told about the connections of some services; the others' is `level`. */
  readonly serviceLevels: ServiceLevels;
  /** For what the log itself cannot say: its file is in trouble. Never called when the log is standard error. */
  readonly complain: (text: string) => void;
  /** Whether the process leaves its terminal once it is ready, after which stunnel's format gives its lines another name. */
  readonly background?: boolean | undefined;
}

/** By name of the service. */
export type ServiceLevels = ReadonlyMap<string, LogLevel>;

const SIMILAR_PER_SECOND = 20;
const SUPPRESSED_REPORT_MS = 1000;

/** Opens the log. Throws `ICAPGW_LOG_FILE` where its file cannot be opened. */
export async function openLogger(options: LoggerOptions): Promise<Logger> {
  const { complain } = options;
  // A sink may be in trouble before there is a logger to hear of it: all are wired up here.
  let logger: Logger | undefined;
  const sinks = await openLogSinks(options, {
    onTrouble: (file, detail) =>
      complain(`icapgw: the log file ${file} cannot be written, lines are being lost: ${detail}\n`),
    onLost: (count, file) => logger?.reportLost(count, file),
  });
  const syslog = await openSyslog(
    options,
    (detail) => {
      if (sinks.isEmpty) complain(`icapgw: syslog cannot be reached: ${detail}\n`);
      logger?.log('syslog-failed', { detail });
    },
    (lostCount) => logger?.reportLost(lostCount, 'syslog'),
  );
  logger = new Logger(sinks, syslog, options);
  return logger;
}

function wantedEvents({
  level,
  serviceLevels,
  format,
}: Pick<LoggerOptions, 'level' | 'serviceLevels' | 'format'>): EnabledEvents {
  const written = enabledEvents(mostTalkative([level, ...serviceLevels.values()]), format);
  const entries = LOG_EVENT_NAMES.map((event) => [event, written[event] || isRemembered(event)]);
  return Object.fromEntries(entries) as EnabledEvents;
}

/** What nobody asked for is not even loaded. */
async function openSyslog(
  { syslog }: LoggerOptions,
  onTrouble: (detail: string) => void,
  onRecovered: (lostCount: number) => void,
): Promise<SyslogSink | undefined> {
  if (syslog === undefined) return undefined;
  const { SyslogSink } = await import('./syslog-sink.ts');
  return new SyslogSink({ ...syslog, onTrouble, onRecovered });
}

/** The log of the process; lives on the main thread. */
export class Logger {
  /** For the status page. */
  readonly recent: RecentEvents = new RecentEvents();
  readonly #sinks: LogSinks;
  readonly #syslog: SyslogSink | undefined;
  readonly #options: LoggerOptions;
  readonly #limit = new RateLimit(SIMILAR_PER_SECOND);
  #limitTimer: NodeJS.Timeout | undefined;
  #lostBefore = 0;
  #place: LogPlace;
  #format: FormatOptions;
  #serviceLevels: ServiceLevels;
  #enabled: EnabledEvents;

  constructor(sinks: LogSinks, syslog: SyslogSink | undefined, options: LoggerOptions) {
    this.#sinks = sinks;
    this.#syslog = syslog;
    this.#options = options;
    this.#place = options;
    this.#serviceLevels = options.serviceLevels;
    this.#enabled = wantedEvents(options);
    this.#format = { ...options, connectionName: createConnectionName(options.connectionId) };
  }

  /** Lines that could not be written, or did not even come here, since the start. */
  get lostCount(): number {
    return this.#sinks.lostCount + this.#lostBefore + (this.#syslog?.lostCount ?? 0);
  }

  log<E extends LogEventName>(event: E, fields: LogEvents[E]): void {
    this.write({ event, timeMs: Date.now(), fields });
  }

  /** Writes an event that happened elsewhere. */
  write(record: LogRecord): void {
    if (!this.#enabled[record.event]) return;
    this.recent.add(record);
    const level = this.#levelFor(record);
    if (this.#isSuppressed(record, level)) return;
    if (record.event === 'ready' && this.#options.background) this.#format = { ...this.#format, processName: 'main' };
    const format = level === this.#format.level ? this.#format : { ...this.#format, level };
    for (const { severity, line, message } of formatRecord(record, format)) {
      this.#sinks.write(line);
      this.#syslog?.write(severity, message);
    }
  }

  /** What the workers are to send: what this log writes, and what is remembered whatever its level. */
  get enabled(): EnabledEvents {
    return this.#enabled;
  }

  /** Goes on with other levels and services. Returns what the workers are to send from here on. */
  setServices(level: LogLevel, serviceLevels: ServiceLevels, serviceNames: ServiceNames): EnabledEvents {
    this.#format = { ...this.#format, level, serviceNames };
    this.#serviceLevels = serviceLevels;
    this.#enabled = wantedEvents({ level, serviceLevels, format: this.#options.format });
    return this.#enabled;
  }

  /** Counts records that were lost on their way here, and says so. */
  lostBefore(count: number): void {
    this.#lostBefore += count;
    this.reportLost(count, this.#place.file);
  }

  /** Says that lines are missing at this place. */
  reportLost(count: number, file: string): void {
    if (count > 0) this.log('log-lines-lost', { count, file });
  }

  /** The process is another user from here on: what works for it is to be that user too. */
  privilegesDropped(): void {
    this.#syslog?.renew();
  }

  /** Opens the file again, for log rotation. Standard error is left alone. Where that fails, it goes on in the old file. */
  async reopen(): Promise<void> {
    const { file } = this.#place;
    // stunnel says so also where there is no file.
    if (this.#options.format !== 'stunnel' && (file === '-' || file === 'off')) return;
    const failure = await this.#sinks.reopen();
    if (failure === undefined) this.log('log-reopened', { file });
    else this.#tell(failure);
  }

  /** Goes on where another configuration wants the lines to be; where that cannot be opened, where it was. */
  async follow(place: LogPlace): Promise<void> {
    try {
      await this.#sinks.open(place);
      this.#place = place;
    } catch (error) {
      this.#tell(failureOf(place, error));
    }
  }

  /** Writes what waits, now, as far as that goes without waiting: there may be no later. */
  flush(): void {
    this.#sinks.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#limitTimer);
    this.#reportSuppressed(Number.POSITIVE_INFINITY);
    await Promise.all([this.#sinks, this.#syslog].map((sink) => sink?.[Symbol.asyncDispose]()));
  }

  #tell({ file, detail }: OpenFailure): void {
    this.log('log-open-failed', { file, detail });
    this.#options.complain(`icapgw: the log file ${file} cannot be opened, the log goes on where it was: ${detail}\n`);
  }

  #levelFor({ fields }: LogRecord): LogLevel {
    const isOwn = this.#serviceLevels.size > 0 && 'service' in fields && 'connection' in fields;
    return (isOwn ? this.#serviceLevels.get(fields.service) : undefined) ?? this.#format.level;
  }

  /** Clients that are refused over and over must not fill the disk. stunnel's format promises every line. */
  #isSuppressed(record: LogRecord, level: LogLevel): boolean {
    const { format } = this.#options;
    if (format === 'stunnel' || !definitionOf(record.event).limited || !passesLevel(record, level)) return false;
    const nowMs = Date.now();
    this.#reportSuppressed(nowMs);
    const { fields } = record;
    const key = 'reason' in fields ? `${record.event} ${fields.reason}` : record.event;
    if (this.#limit.allow(key, nowMs)) return false;
    this.#limitTimer ??= setTimeout(() => {
      this.#limitTimer = undefined;
      this.#reportSuppressed(Date.now());
    }, SUPPRESSED_REPORT_MS).unref();
    return true;
  }

  #reportSuppressed(nowMs: number): void {
    for (const { key, count } of this.#limit.expired(nowMs)) {
      this.log('lines-suppressed', { count, similar: key });
    }
  }
}
