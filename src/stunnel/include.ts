import { messageOf } from '../errors.ts';
import { readLines } from './line-reader.ts';
import type { Comment, Place, Statement } from './place.ts';
import { quote, type Report } from './report.ts';

/** The disk as the reader sees it, for `include` only. Both functions may throw. */
export interface StunnelSources {
  /** The names of the regular files in a folder, in any order. A relative path is relative to the working directory. */
  readDirectory(path: string): readonly string[];
  /** What it throws goes on after the name of the file: `is a pipe`. */
  readFile(path: string): string;
}

/** All files of a configuration together. */
export const MAX_TEXT_BYTES: number = 1024 * 1024;
/** All folders of a configuration together. */
export const MAX_INCLUDED_FILES = 256;
const MAX_DEPTH = 8;

/** Reads a file and everything it includes into one sequence, each statement where stunnel would see it. */
export function readStatements(text: string, file: string, sources: StunnelSources, report: Report): Statement[] {
  const statements: Statement[] = [];
  for (const item of readItems(text, file, sources, report)) {
    if (item.kind !== 'comment' && !isInclude(item)) statements.push(item);
  }
  return statements;
}

/** As `readStatements`, with the comments, and each `include` before what it stands for. */
export function readItems(
  text: string,
  file: string,
  sources: StunnelSources,
  report: Report,
): Generator<Statement | Comment> {
  return new Expansion(sources, report).read(text, file);
}

function isInclude(item: Statement | Comment): boolean {
  return item.kind === 'setting' && item.name.toLowerCase() === 'include';
}

class Expansion {
  readonly #sources: StunnelSources;
  readonly #report: Report;
  #order = 0;
  #fileCount = 0;
  #textBytes = 0;

  constructor(sources: StunnelSources, report: Report) {
    this.#sources = sources;
    this.#report = report;
  }

  *read(text: string, file: string): Generator<Statement | Comment> {
    const start = this.#place(file, 0, 0);
    if (this.#fits(text, start)) yield* this.#expand(text, file, 0, undefined);
  }

  *#expand(text: string, file: string, depth: number, rootLine: number | undefined): Generator<Statement | Comment> {
    const placeOf = (line: number) => this.#place(file, line, rootLine ?? line);
    for (const item of readLines(text, placeOf, this.#report)) {
      yield item;
      if (item.kind === 'setting' && isInclude(item)) yield* this.#include(item.value, item.place, depth + 1);
    }
  }

  *#include(directory: string, place: Place, depth: number): Generator<Statement | Comment> {
    if (depth > MAX_DEPTH) {
      this.#report.error(place, `include: folders are included ${MAX_DEPTH} deep already; does one include itself?`);
      return;
    }
    // Sorted by code unit, as stunnel's scandir does in the C locale.
    for (const name of this.#list(directory, place).toSorted(byCodeUnit)) {
      if (this.#report.full) return;
      this.#fileCount += 1;
      if (this.#fileCount > MAX_INCLUDED_FILES) {
        this.#report.error(place, `include: more than ${MAX_INCLUDED_FILES} files`);
        return;
      }
      yield* this.#includeFile(`${directory.replace(/[/\\]$/, '')}/${name}`, place, depth);
    }
  }

  #list(directory: string, place: Place): readonly string[] {
    if (directory === '') {
      this.#report.error(place, 'include: name the folder to include');
      return [];
    }
    try {
      return this.#sources.readDirectory(directory);
    } catch (error) {
      const advice = 'include takes a folder and reads every file in it';
      this.#report.error(
        place,
        `${quote(directory)} cannot be read: ${messageOf(error)} (${advice})`,
        'ICAPGW_CONFIG_READ',
      );
      return [];
    }
  }

  *#includeFile(path: string, place: Place, depth: number): Generator<Statement | Comment> {
    let text: string;
    try {
      text = this.#sources.readFile(path);
    } catch (error) {
      this.#report.error(place, `${quote(path)} ${messageOf(error)}`, 'ICAPGW_CONFIG_READ');
      return;
    }
    if (this.#fits(text, place)) yield* this.#expand(text, path, depth, place.rootLine);
  }

  #fits(text: string, place: Place): boolean {
    this.#textBytes += Buffer.byteLength(text);
    if (this.#textBytes <= MAX_TEXT_BYTES) return true;
    this.#report.error(place, `the configuration is larger than ${MAX_TEXT_BYTES} bytes`, 'ICAPGW_CONFIG_SYNTAX');
    return false;
  }

  #place(file: string, line: number, rootLine: number): Place {
    this.#order += 1;
    return { file, line, order: this.#order, rootLine };
  }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
