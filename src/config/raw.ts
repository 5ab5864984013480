import type { Problem } from '../errors.ts';

/** Keys and indexes from the root of a raw configuration to a value: `['services', 0, 'tls', 'cert']`. */
export type RawPath = readonly (string | number)[];

/**
 * A configuration as read, before it is checked: plain data with the keys of the YAML format (kebab-case), whichever
 * format it was written in, and the line every value came from. The validator takes nothing else.
 */
export interface RawDocument {
  readonly file: string;
  readonly format: 'yaml' | 'stunnel';
  readonly value: unknown;
  /** The 1-based line of a value, or of its nearest ancestor that has one; 0 where nothing is known. */
  lineOf(path: RawPath): number;
  /** A single value as it stands in the text, without quotes; undefined where that is not known. */
  writtenAt?(path: RawPath): string | undefined;
}

/** What a reader gives: the document (undefined when its syntax is beyond use) and everything it has to say. */
export interface RawResult {
  readonly document: RawDocument | undefined;
  readonly problems: readonly Problem[];
}
