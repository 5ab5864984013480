import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { messageOf, type Problem } from '../errors.ts';
import { MIB } from './quantity.ts';
import type { RawPath, RawResult } from './raw.ts';
import { printable, show } from './show.ts';

/** A configuration larger than this was not written by hand. */
export const MAX_CONFIG_BYTES: number = MIB;

const MAX_DEPTH = 32;
/** How many values aliases may stand for; a few shared settings, not a bomb. */
const MAX_ALIAS_COUNT = 100;
/** One slip early in a file makes nonsense of the rest. */
const MAX_SYNTAX_PROBLEMS = 20;

/** What is meant where the parser's own words speak of tokens. */
const MESSAGES: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab cannot indent YAML; use spaces',
  MULTIPLE_DOCS: 'only one document per file; remove what follows "---"',
  RESOURCE_EXHAUSTION: 'nested too deeply',
  BAD_DQ_ESCAPE: 'a backslash in double quotes must be doubled; put a Windows path in single quotes, or in none',
  BLOCK_AS_IMPLICIT_KEY: 'a value that holds a colon and a blank must be put in quotes',
};

/** Reads YAML 1.2 text into plain data. Never throws: whatever is wrong is a problem with its line. */
export function readYaml(text: string, file: string): RawResult {
  const reader = new YamlReader(text, file);
  if (Buffer.byteLength(text) > MAX_CONFIG_BYTES) {
    reader.report(0, `larger than ${MAX_CONFIG_BYTES} bytes, which no configuration needs`);
    return { document: undefined, problems: reader.problems };
  }
  return reader.read();
}

class YamlReader {
  readonly problems: Problem[] = [];
  readonly #text: string;
  readonly #file: string;
  readonly #lines = new LineCounter();

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  read(): RawResult {
    const { problems } = this;
    const root = parseDocument(this.#text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      stringKeys: true,
      // The parser's own check compares each key with each other one; ours is linear.
      uniqueKeys: false,
      prettyErrors: false,
      lineCounter: this.#lines,
    });
    for (const error of [...root.errors, ...root.warnings]) this.#reportSyntax(error);
    if (problems.length === 0) this.#checkNodes(root);
    if (root.contents === null) this.report(0, 'the file says nothing; a configuration starts with "services:"');
    if (problems.length > 0) return { document: undefined, problems };
    try {
      const value: unknown = root.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
      const index = new LineIndex(root, this.#lines);
      const document = {
        file: this.#file,
        format: 'yaml' as const,
        value,
        lineOf: (path: RawPath) => index.lineOf(path),
        writtenAt: (path: RawPath) => index.writtenAt(path),
      };
      return { document, problems };
    } catch (error) {
      this.report(0, `the aliases cannot be followed: ${messageOf(error)}`);
      return { document: undefined, problems };
    }
  }

  report(line: number, message: string): void {
    if (this.problems.length === MAX_SYNTAX_PROBLEMS) return;
    // The parser says it again for each bracket that it could not close.
    if (this.problems.some((problem) => problem.line === line && problem.message === message)) return;
    this.problems.push({ severity: 'error', file: this.#file, line, message, code: 'ICAPGW_CONFIG_SYNTAX' });
  }

  #lineAt(offset: number): number {
    return this.#lines.linePos(offset).line;
  }

  #reportSyntax(error: YAMLError): void {
    const line = this.#lineAt(error.pos[0]);
    const message = MESSAGES[error.code] ?? printable(error.message);
    const hint = hintFor(this.#text.split('\n', line).at(-1) ?? '');
    this.report(line, hint === undefined ? message : `${message}; ${hint}`);
  }

  #checkNodes(root: Document): void {
    visit(root, {
      Node: (_key, node, path) => {
        if (path.length <= MAX_DEPTH * 2) return undefined;
        this.report(this.#lineAt(node.range?.[0] ?? 0), MESSAGES['RESOURCE_EXHAUSTION'] ?? '');
        return visit.BREAK;
      },
      Map: (_key, node) => this.#checkKeys(node),
      Alias: (_key, node, path) => {
        const target = node.resolve(root);
        if (target !== undefined && !path.includes(target)) return;
        const mistake = target === undefined ? 'names no anchor before it' : 'stands inside of what it names';
        this.report(this.#lineAt(node.range?.[0] ?? 0), `the alias ${show(`*${node.source}`)} ${mistake}`);
      },
    });
  }

  #checkKeys(map: YAMLMap): void {
    const lines = new Map<string, number>();
    for (const pair of map.items) {
      const name = nameOf(pair);
      const line = this.#lineAt(offsetOf(pair));
      const first = lines.get(name);
      if (first === undefined) lines.set(name, line);
      else this.report(line, `${show(name)} stands here a second time; the first is in line ${first}`);
    }
  }
}

// Two values that look natural and are not plain text to YAML.
function hintFor(line: string): string | undefined {
  const address = /\[[\da-f:.]*:[\da-f:.]*\]:\d+/i.exec(line)?.[0];
  if (address !== undefined) return `an IPv6 address must be put in quotes: ${show(address)}`;
  return /:\s+-\s*$/.test(line) ? 'the value "-" must be put in quotes' : undefined;
}

function nameOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : '';
}

function offsetOf(pair: Pair): number {
  return isScalar(pair.key) ? (pair.key.range?.[0] ?? 0) : 0;
}

/** Finds the line of a path. Keys are indexed once per mapping, so that many problems do not cost a search each. */
class LineIndex {
  readonly #root: Document;
  readonly #lines: LineCounter;
  readonly #pairs = new WeakMap<YAMLMap, ReadonlyMap<string, Pair>>();

  constructor(root: Document, lines: LineCounter) {
    this.#root = root;
    this.#lines = lines;
  }

  lineOf(path: RawPath): number {
    let node: unknown = this.#root.contents;
    let offset = this.#root.contents?.range?.[0] ?? 0;
    for (const key of path) {
      if (isAlias(node)) node = node.resolve(this.#root);
      if (isMap(node)) {
        const pair = this.#pairsOf(node).get(String(key));
        if (pair === undefined) break;
        offset = offsetOf(pair);
        node = pair.value;
      } else if (isSeq(node) && typeof key === 'number') {
        node = node.items[key];
        offset = startOf(node) ?? offset;
      } else break;
    }
    return this.#lines.linePos(offset).line;
  }

  writtenAt(path: RawPath): string | undefined {
    const node = path.reduce<unknown>((parent, key) => {
      const target = isAlias(parent) ? parent.resolve(this.#root) : parent;
      if (isMap(target)) return this.#pairsOf(target).get(String(key))?.value;
      return isSeq(target) && typeof key === 'number' ? target.items[key] : undefined;
    }, this.#root.contents);
    const value = isAlias(node) ? node.resolve(this.#root) : node;
    return isScalar(value) ? value.source : undefined;
  }

  #pairsOf(map: YAMLMap): ReadonlyMap<string, Pair> {
    const known = this.#pairs.get(map);
    if (known !== undefined) return known;
    const pairs = new Map(map.items.map((pair) => [nameOf(pair), pair]));
    this.#pairs.set(map, pairs);
    return pairs;
  }
}

function startOf(node: unknown): number | undefined {
  return isMap(node) || isSeq(node) || isScalar(node) || isAlias(node) ? node.range?.[0] : undefined;
}
