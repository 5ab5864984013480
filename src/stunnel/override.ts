import { parseDocument } from 'yaml';
import type { RawPath } from '../config/raw.ts';
import type { Placed, Setting } from './place.ts';
import { quote, type Report } from './report.ts';

const PREFIX = 'icapgw.';

/** `icapgw.KEY = VALUE`: a key of the YAML format, by its path. */
export interface Override {
  readonly path: RawPath;
  readonly value: unknown;
}

/** Keys of the YAML format about the whole process: no section can have them. */
export const PROCESS_KEYS: ReadonlySet<unknown> = new Set([
  'admin',
  'block-list',
  'drain-delay',
  'drain-timeout',
  'feeds',
  'log',
  'pid-file',
  'resolver',
  'setgid',
  'setuid',
  'tracing',
  'workers',
]);

/** Keys of the YAML format about one service: they stand in its section. */
export const SERVICE_KEYS: ReadonlySet<unknown> = new Set([
  'allow-from',
  'backends',
  'balance',
  'block-page',
  'bypass',
  'deny-from',
  'exec-restart',
  'headers',
  'health',
  'istag',
  'limits',
  'listen',
  'listen-require',
  'log-level',
  'monitor-replies',
  'name',
  'on-oversize',
  'on-timeout',
  'outliers',
  'protocol',
  'proxy-protocol',
  'retain',
  'retry',
  'routes',
  'slow-start',
  'sni',
  'sockets',
  'timeouts',
  'tls',
  'when-down',
]);

/** Whether an option name reaches for a key of the YAML format. */
export function isOverride(name: string): boolean {
  return name.toLowerCase().startsWith(PREFIX);
}

/** Reads `icapgw.KEY = VALUE`; undefined after a report. Whether the key exists is the validator's to say. */
export function readOverride(setting: Setting, report: Report): Placed<Override> | undefined {
  const path = setting.name.slice(PREFIX.length).split('.');
  if (path.some((key) => key === '')) {
    report.error(
      setting.place,
      `${quote(setting.name)}: write icapgw.KEY or icapgw.KEY.KEY, such as icapgw.health.interval`,
    );
    return undefined;
  }
  const reading = readValue(setting.value);
  if ('problem' in reading) {
    report.invalid(setting, `${reading.problem}; a list is written [a, b]`);
    return undefined;
  }
  return { value: { path, value: reading.value }, place: setting.place };
}

type ValueReading = { readonly value: unknown } | { readonly problem: string };

// A list, a mapping and a quoted text are YAML's. Of bare words YAML only decides which are numbers, booleans or null:
// to it `a: b` would be a mapping and `a # b` would end at the blank, while here they are text as everywhere in the file.
function readValue(text: string): ValueReading {
  if (!/^[[{"']/.test(text)) return { value: readBareWord(text) };
  try {
    const document = parseDocument(text, { logLevel: 'error' });
    const [error] = document.errors;
    return error === undefined ? { value: document.toJS() } : { problem: firstLine(error.message) };
  } catch (error) {
    // Nesting deeper than the stack, aliases that multiply, a tag that fails.
    return { problem: firstLine(String(error)) };
  }
}

function readBareWord(text: string): unknown {
  if (text === '') return null;
  if (!/^(?:[-+.\d][\w.+-]*|true|false|null|~)$/i.test(text)) return text;
  const value: unknown = parseDocument(text, { logLevel: 'error' }).toJS();
  return typeof value === 'object' && value !== null ? text : value;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text;
}
