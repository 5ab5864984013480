import { dirname, isAbsolute, resolve } from 'node:path';
import type { ErrorCode, Problem } from '../errors.ts';
import { isMapping } from './collection.ts';
import type { RawDocument, RawPath } from './raw.ts';
import { printable, show } from './show.ts';

/** Errors, and warnings, beyond so many help nobody. */
const MAX_PROBLEMS = 500;

const WINDOWS_ABSOLUTE = /^(?:[A-Za-z]:[\\/]|\\\\)/;

/** Gathers everything there is to say about one document, so that all of it is said at once. */
export class Report {
  readonly document: RawDocument;
  readonly #base: string;
  readonly #problems: Problem[] = [];
  readonly #failed = new Set<string>();
  #errorCount = 0;
  #warningCount = 0;

  /** Relative files of a YAML document are looked for beside it; those of a stunnel configuration in `cwd`, as there. */
  constructor(document: RawDocument, cwd: string) {
    this.document = document;
    this.#base = document.format === 'yaml' ? dirname(resolve(cwd, document.file)) : cwd;
  }

  /** The place of the document's root, from which all others are reached. */
  get root(): Place {
    return new Place(this, []);
  }

  /** In file order. */
  get problems(): readonly Problem[] {
    return this.#problems.toSorted((a, b) => a.line - b.line);
  }

  get hasErrors(): boolean {
    return this.#errorCount > 0;
  }

  error(path: RawPath, message: string): void {
    for (let depth = 0; depth <= path.length; depth += 1) this.#failed.add(keyOf(path.slice(0, depth)));
    this.#errorCount += 1;
    if (this.#errorCount < MAX_PROBLEMS) {
      this.#add('error', path, message, 'ICAPGW_CONFIG_INVALID');
    } else if (this.#errorCount === MAX_PROBLEMS) {
      this.#add('error', [], `more than ${MAX_PROBLEMS - 1} errors; correct these first`, 'ICAPGW_CONFIG_INVALID');
    }
  }

  warn(path: RawPath, message: string, code: ErrorCode): void {
    this.#warningCount += 1;
    if (this.#warningCount <= MAX_PROBLEMS) this.#add('warning', path, message, code);
  }

  hasFailed(path: RawPath): boolean {
    return this.#failed.has(keyOf(path));
  }

  /** A file name as the rest of the program uses it. A Windows path stays as it is on every system. */
  resolveFile(name: string): string {
    return isAbsolute(name) || WINDOWS_ABSOLUTE.test(name) ? name : resolve(this.#base, name);
  }

  #add(severity: Problem['severity'], path: RawPath, message: string, code: ErrorCode): void {
    const { document } = this;
    const where = describePath(path, document);
    this.#problems.push({
      severity,
      file: document.file,
      line: document.lineOf(path),
      message: where === '' ? message : `${where}: ${message}`,
      code,
    });
  }
}

/** One place in a document: where a value is looked at and what is wrong with it is said. */
export class Place {
  readonly path: RawPath;
  readonly #report: Report;

  constructor(report: Report, path: RawPath) {
    this.#report = report;
    this.path = path;
  }

  at(...keys: RawPath): Place {
    return new Place(this.#report, [...this.path, ...keys]);
  }

  error(message: string): void {
    this.#report.error(this.path, message);
  }

  /** For what works, and probably not as its author thinks. */
  warn(message: string): void {
    this.#report.warn(this.path, message, 'ICAPGW_CONFIG_DOUBTFUL');
  }

  /** For what works and protects less than it should. */
  warnUnsafe(message: string): void {
    this.#report.warn(this.path, message, 'ICAPGW_CONFIG_UNSAFE');
  }

  /** Whether an error was reported here or below: what stands in its place is then only a stand-in. */
  get failed(): boolean {
    return this.#report.hasFailed(this.path);
  }

  /** Whether the document says anything here, as opposed to leaving it to the default. */
  get given(): boolean {
    const raw = this.#raw;
    return raw !== undefined && raw !== null;
  }

  /** Each value of a list of mappings with its place. What is not a mapping was refused and is not in `values`. */
  pair<T>(values: readonly T[]): readonly (readonly [value: T, place: Place])[] {
    const raw = this.#raw;
    const items: readonly unknown[] = Array.isArray(raw) ? raw : [];
    const indexes = [...items.keys()].filter((index) => isMapping(items[index]));
    return values.map((value, position) => [value, this.at(indexes[position] ?? position)]);
  }

  /** What stands here in the text, where YAML reads it as something else; undefined where that is not known. */
  get written(): string | undefined {
    return this.#report.document.writtenAt?.(this.path);
  }

  get line(): number {
    return this.#report.document.lineOf(this.path);
  }

  get format(): RawDocument['format'] {
    return this.#report.document.format;
  }

  resolveFile(name: string): string {
    return this.#report.resolveFile(name);
  }

  get #raw(): unknown {
    let value = this.#report.document.value;
    for (const key of this.path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
      value = Reflect.get(value, key);
    }
    return value;
  }
}

function keyOf(path: RawPath): string {
  return JSON.stringify(path);
}

// A stunnel user knows sections, not indexes: `[mcas] timeouts.idle` instead of `services[0].timeouts.idle`.
function describePath(path: RawPath, document: RawDocument): string {
  const [first, index, ...rest] = path;
  if (document.format === 'stunnel' && first === 'services' && typeof index === 'number') {
    const name = sectionName(document.value, index);
    if (name !== undefined) return `[${printable(name)}] ${dotted(rest)}`.trimEnd();
  }
  return dotted(path);
}

function sectionName(root: unknown, index: number): string | undefined {
  const services = isMapping(root) ? root['services'] : undefined;
  const service: unknown = Array.isArray(services) ? services[index] : undefined;
  const name = isMapping(service) ? service['name'] : undefined;
  return typeof name === 'string' ? name : undefined;
}

const PLAIN_KEY = /^[\w-]{1,60}$/;

function dotted(path: RawPath): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += `${text === '' ? '' : '.'}${PLAIN_KEY.test(key) ? key : show(key)}`;
  }
  return text;
}
