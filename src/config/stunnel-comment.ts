import type { Remark, Remarks } from '../stunnel/remark.ts';
import { isMapping } from './collection.ts';
import type { NativeComment } from './native.ts';
import type { RawDocument, RawPath } from './raw.ts';
import { printable } from './show.ts';

/**
 * Where the comments of a stunnel.conf go in the YAML it becomes: above the key that their line turned into, above the
 * service of their section where that line turned into nothing, at the top, or at the end. `written` is the value
 * that is going to be YAML, `document` the one it was made of.
 */
export function placeComments(
  { remarks, sectionCount }: Remarks,
  written: unknown,
  document: RawDocument,
): NativeComment[] {
  const pathOfLine = indexLines(written, document);
  const serviceCount = childrenOf(childrenOf(written).find(([key]) => key === 'services')?.[1]).length;
  const serviceOf = ({ section, rootLine }: Remark): RawPath => {
    if (section === undefined) return [];
    return sectionCount === serviceCount ? ['services', section] : (pathOfLine.get(rootLine)?.slice(0, 2) ?? []);
  };
  const place = (remark: Remark): RawPath | 'end' => {
    if (remark.subject === 'end') return 'end';
    const path = remark.subject === 'setting' ? pathOfLine.get(remark.rootLine) : undefined;
    return path ?? serviceOf(remark);
  };
  return remarks.map((remark) => ({ path: place(remark), text: remark.lines.map(printable).join('\n') }));
}

/** The outermost key that a line of the file turned into. */
function indexLines(written: unknown, document: RawDocument): ReadonlyMap<number, RawPath> {
  const paths = new Map<number, RawPath>();
  const level: (readonly [path: RawPath, value: unknown])[] = [[[], written]];
  // Level by level: a value without a line of its own has that of what it is part of.
  for (const [path, value] of level) {
    // A mapping of the process (`log`) has the line of its first part, which is what the line turned into.
    const line = path.length === 0 || (path.length === 1 && isMapping(value)) ? 0 : document.lineOf(path);
    if (line > 0 && !paths.has(line)) paths.set(line, path);
    for (const [key, child] of childrenOf(value)) level.push([[...path, key], child]);
  }
  return paths;
}

function childrenOf(value: unknown): readonly (readonly [key: string | number, child: unknown])[] {
  if (Array.isArray(value)) return [...value.entries()];
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
