import { Document, isMap, isScalar, isSeq, type Node, type Scalar } from 'yaml';
import type { RawPath } from './raw.ts';
import { ROOT, type Settings } from './schema/root-schema.ts';

/** A comment for a written configuration, without marks; several lines are separated by line breaks. */
export interface NativeComment {
  /** The key or entry it goes above, or the nearest around it that is written; empty: the top of the file. */
  readonly path: RawPath | 'end';
  readonly text: string;
}

/** Settings as plain data with the keys of YAML: only what differs from the defaults, in the order of the documentation. */
export function writeNative(settings: Settings): unknown {
  return ROOT.write(settings);
}

/** What `writeNative` gave as YAML text. Comments of one place stand in the order that they have here. */
export function formatNative(written: unknown, comments: readonly NativeComment[]): string {
  const document = new Document(written);
  for (const { path, text } of comments) addComment(document, path, toComment(text));
  const services = document.get('services', true);
  if (isSeq<Node>(services)) {
    for (const [index, service] of services.items.entries()) service.spaceBefore = index > 0;
  }
  separateSections(document);
  return `${document.toString({ lineWidth: 0, flowCollectionPadding: false }).trimEnd()}\n`;
}

// A blank line above each key of the top level but the first.
function separateSections(document: Document): void {
  if (!isMap(document.contents)) return;
  for (const [index, { key }] of document.contents.items.entries()) {
    if (index > 0 && isScalar(key)) key.spaceBefore = true;
  }
}

function addComment(document: Document, path: RawPath | 'end', comment: string): void {
  if (path === 'end') {
    document.comment = join(document.comment, comment);
    return;
  }
  const node = findNode(document, path);
  // What is about the whole file stands in paragraphs.
  if (node === undefined) document.commentBefore = join(document.commentBefore, comment, '\n\n');
  else node.commentBefore = join(node.commentBefore, comment);
}

function join(before: string | null | undefined, comment: string, separator = '\n'): string {
  return before ? `${before}${separator}${comment}` : comment;
}

/** The key or the entry at a path, or the last on the way that is there; undefined where that is the document. */
function findNode(document: Document, path: RawPath): Node | undefined {
  let value: unknown = document.contents;
  let found: Node | undefined;
  for (const key of path) {
    if (isMap<Scalar, Node>(value)) {
      const pair = value.items.find((candidate) => candidate.key.value === key);
      if (pair === undefined) break;
      // A comment above the first key of an entry would tear its dash off.
      if (value.items[0] !== pair || !isEntry(found)) found = pair.key;
      value = pair.value;
    } else if (isSeq<Node>(value) && typeof key === 'number') {
      const item: Node | undefined = value.items[key];
      if (item === undefined) break;
      found = item;
      value = item;
    } else break;
  }
  return found;
}

function isEntry(node: Node | undefined): boolean {
  return isMap(node);
}

function toComment(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : ` ${line}`))
    .join('\n');
}
