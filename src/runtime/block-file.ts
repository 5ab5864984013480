import { existsSync, renameSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readTextFile } from '../config/text-file.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import { type Block, MAX_BLOCKS } from '../policy/block-list.ts';
import { canonicalBlock } from './block-address.ts';

export interface BlockFileOptions {
  /** Undefined: nothing can be kept. */
  readonly folder: string | undefined;
  /** The name of the configuration: several gateways may share a folder. */
  readonly configFile: string;
  readonly log: Pick<Logger, 'log'>;
  /** What is to be in the file, at the moment it is written. */
  readonly blocks: () => readonly Block[];
}

const MAX_BYTES = 1024 * 1024;
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** Keeps whom operators have blocked over restarts, in a small file that is replaced as a whole. */
export class BlockFile {
  readonly #options: BlockFileOptions;
  readonly #path: string | undefined;
  #running: Promise<string | undefined> = Promise.resolve(undefined);
  #next: Promise<string | undefined> | undefined;

  constructor(options: BlockFileOptions) {
    const { folder, configFile } = options;
    this.#options = options;
    this.#path = folder === undefined ? undefined : join(folder, `${basename(configFile)}.blocks.json`);
  }

  /** What was blocked when it was last written. One that cannot be used is set aside, and said so. */
  load(): readonly Block[] {
    const path = this.#path;
    if (path === undefined || !existsSync(path)) return [];
    const reading = readTextFile(path, { maxBytes: MAX_BYTES, streams: false });
    const blocks = 'problem' in reading ? undefined : parseBlocks(reading.text);
    if (blocks !== undefined) return blocks;
    const detail = 'problem' in reading ? `it ${reading.problem}` : 'it is not what icapgw writes';
    this.#options.log.log('blocks-damaged', { file: setAside(path), detail });
    return [];
  }

  /** Resolves when what is blocked now is on the disk, or with why it is not. One write at a time. */
  save(): Promise<string | undefined> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      this.#running = this.#write();
      return this.#running;
    });
    return this.#next;
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    await (this.#next ?? this.#running);
  }

  async #write(): Promise<string | undefined> {
    const { blocks, log } = this.#options;
    const path = this.#path;
    if (path === undefined) return 'the configuration comes from a stream: set feeds.state-dir, or STATE_DIRECTORY';
    try {
      await replace(path, textOf(blocks()));
      return undefined;
    } catch (error) {
      const detail = messageOf(error);
      log.log('blocks-not-kept', { file: path, detail });
      return detail;
    }
  }
}

/** Whoever reads it finds what was there before, or all of the text, whenever the power fails. */
async function replace(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  const draft = `${path}.new`;
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  // A link that somebody put there is replaced, not followed.
  await rm(draft, { force: true });
  {
    await using file = await open(draft, 'wx', FILE_MODE);
    await file.writeFile(text);
    await file.sync();
  }
  await rename(draft, path);
  await using entry = await open(folder, 'r');
  await entry.sync();
}

function setAside(path: string): string {
  const movedTo = `${path}.damaged`;
  try {
    renameSync(path, movedTo);
    return movedTo;
  } catch {
    return path;
  }
}

function textOf(blocks: readonly Block[]): string {
  const rows = blocks.map(({ address, sinceMs, untilMs }) => ({
    address,
    since: new Date(sinceMs).toISOString(),
    until: untilMs === undefined ? null : new Date(untilMs).toISOString(),
  }));
  return `${JSON.stringify({ blocks: rows }, null, 1)}\n`;
}

/** Undefined where it is not what `textOf` has made. */
function parseBlocks(text: string): readonly Block[] | undefined {
  try {
    const { blocks } = JSON.parse(text) as { readonly blocks?: unknown };
    if (!Array.isArray(blocks) || blocks.length > MAX_BLOCKS) return undefined;
    const parsed = blocks.map(parseBlock);
    return parsed.every((block) => block !== undefined) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function parseBlock(row: unknown): Block | undefined {
  if (typeof row !== 'object' || row === null) return undefined;
  const { address: written, since, until } = row as Readonly<Record<string, unknown>>;
  const address = typeof written === 'string' ? canonicalBlock(written) : undefined;
  if (address === undefined || typeof since !== 'string') return undefined;
  const sinceMs = Date.parse(since);
  const untilMs = until === null ? undefined : Date.parse(String(until));
  if (Number.isNaN(sinceMs) || Number.isNaN(untilMs)) return undefined;
  return { address, sinceMs, untilMs };
}
