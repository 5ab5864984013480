import type { LogLevel } from '../config/config.ts';
import type { LogFormat } from '../config/log-config.ts';
import type { LogEventName, LogRecord, LogValue } from './log-event.ts';
import { definitionOf, LOG_EVENT_NAMES, levelOf } from './log-table.ts';
import type { StunnelLevel } from './stunnel-line.ts';
import { STUNNEL_LEVELS, stunnelLevelOf, stunnelLines } from './stunnel-lines.ts';

const MAX_VALUE_LENGTH = 1024;
const MAX_ELEMENTS = 64;
const MAX_LINE_LENGTH = 4096;
const MAX_STUNNEL_LENGTH = 1024;

/** What could end a line, move a terminal's cursor or reorder what is displayed: C0, DEL, C1, separators, bidi. */
const UNSAFE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

const COLORS: Readonly<Record<LogLevel, string>> = {
  error: '\u001b[31m',
  warning: '\u001b[33m',
  notice: '\u001b[36m',
  info: '',
  debug: '\u001b[2m',
};
const COLOR_END = '\u001b[0m';
const LEVEL_WIDTH = 'warning'.length;

/** The level that lets through whatever one of these does. */
export function mostTalkative(levels: readonly LogLevel[]): LogLevel {
  return levels.reduce((most, level) => (STUNNEL_LEVELS[level] > STUNNEL_LEVELS[most] ? level : most), 'error');
}

/** Which events a log of this level and format would write: plain data, so that workers need not build the others. */
export type EnabledEvents = Readonly<Record<LogEventName, boolean>>;

export function enabledEvents(level: LogLevel, format: LogFormat): EnabledEvents {
  const isEnabled = (event: LogEventName): boolean => {
    const definition = definitionOf(event);
    if (definition.always) return true;
    const most = format === 'stunnel' ? stunnelLevelOf(event) : STUNNEL_LEVELS[definition.level];
    return most <= STUNNEL_LEVELS[level];
  };
  const entries = LOG_EVENT_NAMES.map((event) => [event, isEnabled(event)]);
  return Object.fromEntries(entries) as EnabledEvents;
}

export type ServiceNames = ReadonlyMap<string, string>;

export interface FormatOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Whether the text format may colour its levels. */
  readonly color: boolean;
  /** What stunnel's format calls the process itself, as opposed to a connection. */
  readonly processName?: 'ui' | 'main';
  /** What stunnel's format calls services that have another name elsewhere. */
  readonly serviceNames?: ServiceNames;
  /** What stunnel's format calls a connection; absent: by its number. */
  readonly connectionName?: (connection: number) => string;
}

/** One line of a log. */
export interface LogLine {
  /** As syslog counts it. */
  readonly severity: StunnelLevel;
  /** Without its end. */
  readonly line: string;
  /** What of it a log needs that keeps time and level itself. */
  readonly message: string;
}

/** Whether one occurrence of an event is severe enough for a log in one of our own formats. */
export function passesLevel(record: LogRecord, level: LogLevel): boolean {
  const { always } = definitionOf(record.event);
  return always === true || STUNNEL_LEVELS[levelOf(record.event, record.fields)] <= STUNNEL_LEVELS[level];
}

/** The lines of one event; none where the level asks for less. */
export function formatRecord(record: LogRecord, options: FormatOptions): readonly LogLine[] {
  if (options.format === 'stunnel') return formatStunnel(record, options);
  if (!passesLevel(record, options.level)) return [];
  const level = levelOf(record.event, record.fields);
  const severity = STUNNEL_LEVELS[level];
  if (options.format === 'text') return [{ severity, ...formatText(record, level, options.color) }];
  const line = formatJson(record, level);
  return [{ severity, line, message: line }];
}

function formatJson({ event, timeMs, fields }: LogRecord, level: LogLevel): string {
  return safeJson({
    time: new Date(timeMs).toISOString(),
    level,
    event,
    msg: bounded(definitionOf(event).text(fields)),
    ...Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, bounded(value)])),
  });
}

function formatText(
  { event, timeMs, fields }: LogRecord,
  level: LogLevel,
  color: boolean,
): Pick<LogLine, 'line' | 'message'> {
  const definition = definitionOf(event);
  const told: readonly string[] = definition.told;
  const rest = Object.entries(fields)
    .filter(([name, value]) => value !== undefined && !told.includes(name))
    .map(([name, value]) => ` ${name}=${quoted(value)}`)
    .join('');
  const padded = level.padEnd(LEVEL_WIDTH);
  const label = color && COLORS[level] !== '' ? `${COLORS[level]}${padded}${COLOR_END}` : padded;
  const message = cut(escaped(definition.text(fields)) + rest, MAX_LINE_LENGTH);
  return { line: `${new Date(timeMs).toISOString()} ${label} ${message}`, message };
}

function formatStunnel({ event, timeMs, fields: given }: LogRecord, options: FormatOptions): readonly LogLine[] {
  const service = 'service' in given && 'connection' in given ? options.serviceNames?.get(given.service) : undefined;
  const fields: typeof given = service === undefined ? given : { ...given, service };
  const threshold = STUNNEL_LEVELS[options.level];
  const time = localTime(new Date(timeMs));
  const { processName = 'ui', connectionName = String } = options;
  const id = 'connection' in given ? connectionName(given.connection) : processName;
  return stunnelLines(event, fields)
    .filter(({ level }) => level <= threshold)
    .map(({ level, text }) => {
      const message = `LOG${level}[${id}]: ${cut(text, MAX_STUNNEL_LENGTH).replace(UNSAFE, '.')}`;
      return { severity: level, line: `${time} ${message}`, message };
    });
}

/** JSON that is also harmless on a terminal. Objects must be flat and of bounded values. */
export function safeJson(value: Readonly<Record<string, LogValue | null>>): string {
  return JSON.stringify(value).replace(UNSAFE, (character) => `\\u${hex(character, 4)}`);
}

/** A value that cannot make a line arbitrarily long. */
export function bounded(value: LogValue): LogValue {
  if (typeof value === 'string') return cut(value, MAX_VALUE_LENGTH);
  if (typeof value === 'object') return value.slice(0, MAX_ELEMENTS).map((each) => cut(each, MAX_VALUE_LENGTH));
  return value;
}

function quoted(value: LogValue): string {
  const text = Array.isArray(value) ? value.join(',') : String(value);
  return /^[^\s"\\=]+$/u.test(text) && text.search(UNSAFE) === -1 ? text : safeJsonString(text);
}

function safeJsonString(text: string): string {
  return escaped(JSON.stringify(text));
}

function escaped(text: string): string {
  return text.replace(UNSAFE, (character) => (character === '\n' ? '\\n' : `\\u${hex(character, 4)}`));
}

function hex(character: string, width: number): string {
  return character.charCodeAt(0).toString(16).padStart(width, '0');
}

function cut(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
}

/** stunnel's clock: local time, no fraction, no zone. */
function localTime(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}.${two(date.getMonth() + 1)}.${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
