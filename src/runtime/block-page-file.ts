import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { messageOf } from '../errors.ts';
import { blockPageProblem, MAX_BLOCK_PAGE_BYTES } from '../policy/block-page.ts';

/** The text of a block page, or what keeps it from being used. */
export type BlockPageFile = { readonly text: string } | { readonly problem: string };

/** Reads a block page whole: it must not change under a worker that starts later. */
export function readBlockPage(file: string): BlockPageFile {
  try {
    const bytes = readRegularFile(file);
    if (bytes === undefined) return { problem: `${file} is not a file of at most ${MAX_BLOCK_PAGE_BYTES} bytes` };
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const problem = blockPageProblem(text);
    return problem === undefined ? { text } : { problem: `${file} ${problem}` };
  } catch (error) {
    return { problem: describe(file, error) };
  }
}

/** Undefined where it is none, or too large to be a page. Opened first, so that what is looked at is what is read. */
function readRegularFile(file: string): Buffer | undefined {
  const descriptor = openSync(file, 'r');
  try {
    const stat = fstatSync(descriptor);
    return stat.isFile() && stat.size <= MAX_BLOCK_PAGE_BYTES ? readFileSync(descriptor) : undefined;
  } finally {
    closeSync(descriptor);
  }
}

function describe(file: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return `${file} does not exist`;
  if (code === 'EACCES') return `${file} may not be read by this user`;
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return `${file} is not UTF-8; save it as that`;
  return `${file} cannot be read: ${messageOf(error)}`;
}
