import type { FeedDisk } from '../../src/feeds/queue/feed-disk.ts';

/** Forgets what is written to it. */
export function createMemoryDisk(): FeedDisk {
  return { entries: [], damaged: undefined, async write() {}, async [Symbol.asyncDispose]() {} };
}
