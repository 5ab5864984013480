import { Worker } from 'node:worker_threads';
import { messageOf, RuntimeError } from '../../errors.ts';
import { entryFile } from '../../program-files.ts';
import type { FeedEntry } from '../contract/feed-queue.ts';
import type { BookChanges } from './feed-book.ts';
import type { OpenedFeedFile } from './feed-file.ts';

/** What the thread of the disk is born with. */
export interface DiskStart {
  readonly folder: string;
  /** What ended before is not read. */
  readonly nowMs: number;
}

export type DiskOrder =
  | { readonly type: 'write'; readonly number: number; readonly changes: BookChanges; readonly expireMs: number }
  | { readonly type: 'close' };

export type DiskAnswer =
  | ({ readonly type: 'opened' } & Pick<OpenedFeedFile, 'entries' | 'damaged'>)
  | { readonly type: 'refused'; readonly detail: string }
  | { readonly type: 'written'; readonly number: number; readonly trouble: string | undefined };

/** A `feeds.db` and the thread that waits for it. */
export interface FeedDisk extends AsyncDisposable {
  readonly entries: readonly FeedEntry[];
  readonly damaged: OpenedFeedFile['damaged'];
  /** Resolves when all of it is on the disk. Rejects, with nothing written, where it cannot be. In the order of the calls. */
  write(changes: BookChanges, expireMs: number): Promise<void>;
}

/** A system call that hangs can hold a thread for ever. */
const END_PATIENCE_MS = 3000;

/** Opens the `feeds.db` of a folder in a thread of its own. Throws `ICAPGW_FEED_STATE` where that cannot be. */
export async function startFeedDisk(start: DiskStart): Promise<FeedDisk> {
  const worker = new Worker(entryFile('feed-disk-thread'), { workerData: start, name: 'icapgw feed disk' });
  const waiting = new Map<number, PromiseWithResolvers<void>>();
  const opened = Promise.withResolvers<Extract<DiskAnswer, { type: 'opened' }>>();
  const ended = Promise.withResolvers<void>();
  let number = 0;
  let end: Error | undefined;
  worker.on('message', (answer: DiskAnswer) => {
    if (answer.type === 'opened') opened.resolve(answer);
    else if (answer.type === 'refused') opened.reject(new RuntimeError('ICAPGW_FEED_STATE', { detail: answer.detail }));
    else {
      const { trouble } = answer;
      if (trouble === undefined) waiting.get(answer.number)?.resolve();
      else waiting.get(answer.number)?.reject(new Error(trouble));
      waiting.delete(answer.number);
    }
  });
  worker.on('error', (cause) => {
    end = new Error(messageOf(cause), { cause });
  });
  worker.on('exit', () => {
    end ??= new Error('its thread has ended');
    opened.reject(new RuntimeError('ICAPGW_FEED_STATE', { detail: messageOf(end), cause: end }));
    for (const { reject } of waiting.values()) reject(end);
    waiting.clear();
    ended.resolve();
  });
  const { entries, damaged } = await opened.promise;
  return {
    entries,
    damaged,
    write(changes, expireMs) {
      if (end !== undefined) return Promise.reject(end);
      number += 1;
      const written = Promise.withResolvers<void>();
      waiting.set(number, written);
      worker.postMessage({ type: 'write', number, changes, expireMs } satisfies DiskOrder);
      return written.promise;
    },
    async [Symbol.asyncDispose]() {
      worker.postMessage({ type: 'close' } satisfies DiskOrder);
      const patience = setTimeout(() => ended.resolve(), END_PATIENCE_MS);
      await ended.promise;
      clearTimeout(patience);
      worker.unref();
    },
  };
}
