import type { RawPath } from '../config/raw.ts';

/** The line a value came from and those of its parts; the same shape as the value, as far as lines are known. */
interface LineNode {
  readonly line: number;
  /** By key, an index as its digits. */
  readonly parts: Map<string, LineNode>;
}

type Container = Record<string, unknown> | unknown[];

/** Builds a raw configuration value by value and remembers where each one came from. */
export class RawBuilder {
  readonly value: Record<string, unknown> = {};
  readonly #lines: LineNode = createLineNode(0);

  /**
   * Puts a value at a path, with everything on the way to it; what was there is gone. Line 0 stands for a default, which
   * is told from the line of its parent. Returns what stands in the way, as a sentence, or undefined when done.
   */
  set(path: RawPath, value: unknown, line: number): string | undefined {
    // Before anything on the way to it is made.
    if (path.includes('__proto__')) return '"__proto__" is not a key';
    let container: Container = this.value;
    let lines = this.#lines;
    for (const [depth, key] of path.entries()) {
      const problem = checkKey(container, key);
      if (problem !== undefined) return problem;
      if (depth === path.length - 1) {
        write(container, key, value);
        lines.parts.set(String(key), createLineNode(line));
        return undefined;
      }
      const next: unknown = read(container, key) ?? {};
      if (!isContainer(next)) return `"${key}" is a single value, set by another line`;
      write(container, key, next);
      container = next;
      lines = descend(lines, String(key));
    }
    return undefined;
  }

  /**
   * The line of a value, or of its nearest ancestor that has one, or else of the first of its parts; 0 where nothing is
   * known.
   */
  lineOf(path: RawPath): number {
    let node: LineNode = this.#lines;
    let line = 0;
    for (const key of path) {
      const next = node.parts.get(String(key));
      if (next === undefined) return line;
      node = next;
      if (node.line > 0) line = node.line;
    }
    return line > 0 || path.length === 0 ? line : firstLine(node);
  }
}

function createLineNode(line: number): LineNode {
  return { line, parts: new Map() };
}

function descend(node: LineNode, key: string): LineNode {
  const next = node.parts.get(key) ?? createLineNode(0);
  node.parts.set(key, next);
  return next;
}

function firstLine(node: LineNode): number {
  if (node.line > 0) return node.line;
  for (const part of node.parts.values()) {
    const line = firstLine(part);
    if (line > 0) return line;
  }
  return 0;
}

function checkKey(container: Container, key: string | number): string | undefined {
  if (!Array.isArray(container)) return undefined;
  if (/^\d{1,4}$/.test(String(key)) && Number(key) <= container.length) return undefined;
  return `the list has ${container.length} entries, counted from 0: there is no "${key}"`;
}

function read(container: Container, key: string | number): unknown {
  return Array.isArray(container) ? container[Number(key)] : Object.hasOwn(container, key) ? container[key] : undefined;
}

function write(container: Container, key: string | number, value: unknown): void {
  if (Array.isArray(container)) container[Number(key)] = value;
  else container[key] = value;
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}
