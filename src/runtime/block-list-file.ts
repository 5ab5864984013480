import type { Config } from '../config/config.ts';
import type { RawPath } from '../config/raw.ts';
import { readTextFile } from '../config/text-file.ts';
import type { Problem } from '../errors.ts';
import { MAX_BLOCKS } from '../policy/block-list.ts';
import { canonicalBlock, notAnAddress } from './block-address.ts';

/** Addresses and networks in one spelling each, with the line where each stands first. */
export type BlockListLines = ReadonlyMap<string, number>;

/** What a file holds, or what is wrong with it: sentences that begin with file and line. */
export type BlockListReading =
  | { readonly lines: BlockListLines }
  | { readonly problems: readonly string[] /** Whether it could be read at all. */; readonly isRead: boolean };

const MAX_BYTES = 8 * 1024 * 1024;
/** As many as a feed holds by default. */
const MAX_ADDRESSES = 100_000;
const TOLD_PROBLEMS = 10;

/** Reads a list of addresses and networks, one a line; what follows a `#` or a `;` is for people. */
export function readBlockListFile(file: string): BlockListReading {
  const reading = readTextFile(file, { maxBytes: MAX_BYTES, streams: false });
  if ('problem' in reading) return { problems: [`${file} ${reading.problem}`], isRead: false };
  const { lines, problems } = parseBlockList(reading.text);
  if (problems.length === 0) return { lines };
  const told = problems.slice(0, TOLD_PROBLEMS).map(({ line, message }) => `${file}:${line}: ${message}`);
  const rest = problems.length - told.length;
  return { problems: rest === 0 ? told : [...told, `${file}: ${rest} more lines that cannot be used`], isRead: true };
}

interface LineProblem {
  readonly line: number;
  readonly message: string;
}

function parseBlockList(text: string): { readonly lines: BlockListLines; readonly problems: readonly LineProblem[] } {
  const lines = new Map<string, number>();
  const problems: LineProblem[] = [];
  let networkCount = 0;
  for (const [index, written] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const line = index + 1;
    const entry = written.replace(/[#;].*$/s, '').trim();
    if (entry === '') continue;
    const block = canonicalEntry(entry);
    if (block === undefined) {
      problems.push({ line, message: refusalOf(entry) });
      continue;
    }
    if (lines.has(block)) continue;
    const isNetwork = block.includes('/');
    const isFull = isNetwork ? networkCount === MAX_BLOCKS : lines.size - networkCount === MAX_ADDRESSES;
    if (isFull) {
      const what = isNetwork ? `${MAX_BLOCKS} networks` : `${MAX_ADDRESSES} addresses`;
      problems.push({ line, message: `there are more than ${what}, which is as many as there can be` });
      break;
    }
    lines.set(block, line);
    if (isNetwork) networkCount += 1;
  }
  return { lines, problems };
}

function canonicalEntry(entry: string): string | undefined {
  const block = canonicalBlock(entry);
  return block === undefined || isEverybody(block) ? undefined : block;
}

function isEverybody(block: string): boolean {
  return block.endsWith('/0');
}

function refusalOf(entry: string): string {
  const isAll = isEverybody(canonicalBlock(entry) ?? '');
  return isAll ? `${entry} is everybody: nobody could connect any more` : notAnAddress(entry);
}

/** Looks at the file of a configuration, so that neither a start nor a reload takes one that cannot be used. */
export function verifyBlockList({ blockList, file }: Config, lineOf: (path: RawPath) => number): Problem[] {
  if (blockList.file === undefined) return [];
  const reading = readBlockListFile(blockList.file);
  if ('lines' in reading) return [];
  const line = lineOf(['block-list', 'file']);
  return reading.problems.map((text) => {
    const message = `block-list.file: ${text}`;
    return { severity: 'error', file, line, message, code: 'ICAPGW_CONFIG_INVALID' };
  });
}
