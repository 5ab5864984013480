import type { Logger } from '../observe/logger.ts';
import type { Block } from '../policy/block-list.ts';
import type { ListedBlocks } from '../policy/blockade.ts';
import { type BlockListLines, readBlockListFile } from './block-list-file.ts';
import { fingerprint, watchFiles } from './file-watch.ts';

export interface BlockListWatchOptions {
  readonly log: Pick<Logger, 'log'>;
  /** Whether the whole of an address or network is never blocked, as it is at the moment of the call. */
  readonly isExempt: (block: string) => boolean;
  /** Told when other addresses are blocked than before. */
  readonly onChange: () => void;
}

/** Changed lists are in force within two seconds. */
const CHECK_MS = 500;
const NOTHING: BlockListLines = new Map();

/** What `block-list.file` blocks, as the file is at the moment. One that cannot be used changes nothing. */
export class BlockListWatch implements Disposable {
  readonly #options: BlockListWatchOptions;
  #file: string | undefined;
  #watch: Disposable | undefined;
  #lines: BlockListLines = NOTHING;
  /** In the order in which they came. */
  #blocks: readonly Block[] = [];
  /** What the file looked like at the last look: one that is being written is waited for. */
  #seen = '';
  #failure: string | undefined;

  constructor(options: BlockListWatchOptions) {
    this.#options = options;
  }

  /** What is blocked: without what is never blocked as a whole. */
  get blocks(): readonly Block[] {
    return this.#blocks;
  }

  get listed(): ListedBlocks {
    const blocks = this.#blocks.map(({ address }) => address);
    return {
      addresses: blocks.filter((address) => !address.includes('/')),
      networks: blocks.filter((address) => address.includes('/')),
    };
  }

  /** `/etc/icapgw/blocked.txt, line 3`, where an address or network is blocked by that; undefined: it is not. */
  placeOf(block: string): string | undefined {
    const line = this.#lines.get(block);
    return line === undefined || this.#options.isExempt(block) ? undefined : `${this.#file}, line ${line}`;
  }

  /** Reads the file of a configuration, and again whenever it changes; undefined: there is none any more. */
  follow(file: string | undefined): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    this.#file = file;
    this.#failure = undefined;
    if (file === undefined) {
      this.#take(NOTHING);
      return;
    }
    this.#seen = fingerprint([file]);
    this.#read(file);
    this.#watch = watchFiles({ paths: [file], intervalMs: CHECK_MS, onChange: () => this.#look(file) });
  }

  /** Decides anew what is never blocked. */
  reconsider(): void {
    this.#take(this.#lines);
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
  }

  /** Returns whether it needs no other look before it changes again. */
  #look(file: string): boolean {
    const seen = fingerprint([file]);
    const isSettled = seen === this.#seen;
    this.#seen = seen;
    return isSettled && this.#read(file);
  }

  /** Returns whether reading it again makes no sense before it changes. */
  #read(file: string): boolean {
    const { log } = this.#options;
    const reading = readBlockListFile(file);
    if ('problems' in reading) {
      const detail = reading.problems.join('; ');
      if (detail !== this.#failure) log.log('block-list-failed', { file, detail });
      this.#failure = detail;
      return reading.isRead;
    }
    this.#failure = undefined;
    const isSame = isDeepSame(reading.lines, this.#lines);
    this.#take(reading.lines);
    const count = this.#blocks.length;
    if (!isSame) log.log('block-list-read', { file, count, exempt: reading.lines.size - count });
    return true;
  }

  #take(lines: BlockListLines): void {
    const { isExempt, onChange } = this.#options;
    const before = new Map(this.#blocks.map((block) => [block.address, block]));
    const sinceMs = Date.now();
    const wanted = [...lines.keys()].filter((address) => !isExempt(address));
    this.#lines = lines;
    const isSame = wanted.length === before.size && wanted.every((address) => before.has(address));
    if (isSame) return;
    const blocks = wanted.map((address) => before.get(address) ?? { address, sinceMs, untilMs: undefined });
    this.#blocks = blocks.sort((a, b) => a.sinceMs - b.sinceMs);
    onChange();
  }
}

function isDeepSame(a: BlockListLines, b: BlockListLines): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key));
}
