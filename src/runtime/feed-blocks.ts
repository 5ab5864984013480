import type { FeedEntry, FeedQueue, QueueChange } from '../feeds/contract/feed-queue.ts';
import type { BlockadeChange, BlockedFor } from '../policy/blockade.ts';

export interface FeedBlocksOptions {
  /** Stays its owner's. */
  readonly queue: FeedQueue;
  /** Told of what has changed, for the workers that run. */
  readonly tell: (change: BlockadeChange) => void;
}

/** A flood of findings reaches the workers in a few messages; a block is in force within a second in any case. */
const BATCH_MS = 50;

/** What feeds have blocked, on its way to the workers of this process. */
export class FeedBlocks implements Disposable {
  readonly #options: FeedBlocksOptions;
  readonly #subscription: Disposable;
  /** What waits to be told: what an address is blocked for, or undefined where it is no longer. */
  readonly #news: Map<string, string | undefined> = new Map();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FeedBlocksOptions) {
    this.#options = options;
    this.#subscription = options.queue.onChange((change) => this.#changed(change));
  }

  /** For a worker that starts. */
  get addresses(): readonly BlockedFor[] {
    return Array.from(this.#options.queue.entries(), (entry) => [entry.address, threatOf(entry)] as const);
  }

  /** Tells what waits, without waiting for more. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#news.size === 0) return;
    const news = [...this.#news];
    this.#news.clear();
    this.#options.tell({
      blocked: news.flatMap(([address, threat]) => (threat === undefined ? [] : [[address, threat] as const])),
      lifted: news.flatMap(([address, threat]) => (threat === undefined ? [address] : [])),
    });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#subscription[Symbol.dispose]();
  }

  #changed({ kind, entries }: QueueChange): void {
    if (kind === 'relayed') return;
    for (const entry of entries) this.#news.set(entry.address, kind === 'put' ? threatOf(entry) : undefined);
    this.#timer ??= setTimeout(() => this.flush(), BATCH_MS).unref();
  }
}

/** As the access log names it. */
function threatOf({ source, type }: FeedEntry): string {
  return type === '' ? source : `${source}:${type}`;
}
