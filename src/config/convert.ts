import type { Problem } from '../errors.ts';
import type { Remarks } from '../stunnel/remark.ts';
import { formatNative, type NativeComment, writeNative } from './native.ts';
import type { RawDocument } from './raw.ts';
import { Report } from './report.ts';
import { placeComments } from './stunnel-comment.ts';
import { readSettings } from './validate.ts';

/** What a conversion gives: the YAML, or undefined when one of the problems is an error. */
export interface Conversion {
  readonly text: string | undefined;
  readonly problems: readonly Problem[];
}

/**
 * Writes a stunnel configuration as native YAML that means the same. Its relative files are made absolute by `cwd`. The
 * same input gives the same text, always.
 */
export function convertStunnel(document: RawDocument, remarks: Remarks, cwd: string): Conversion {
  const report = new Report(document, cwd);
  const settings = readSettings(report);
  if (settings === undefined) return { text: undefined, problems: report.problems };
  const written = writeNative(settings);
  const origin = `Converted from ${document.file} by icapgw. A key that is not here has its default.`;
  const comments: NativeComment[] = [{ path: [], text: origin }, ...placeComments(remarks, written, document)];
  return { text: formatNative(written, comments), problems: report.problems };
}
