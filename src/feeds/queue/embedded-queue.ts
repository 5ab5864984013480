import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import type { FeedClock } from '../contract/feed-clock.ts';
import type {
  Conclusion,
  FeedEntry,
  FeedQueue,
  PutResult,
  QueueChange,
  QueueStatus,
  Settlement,
  Sighting,
} from '../contract/feed-queue.ts';
import { FeedUnavailableError } from '../contract/feed-unavailable.ts';
import { type BookDraft, BookFullError, FeedBook } from './feed-book.ts';
import type { FeedDisk } from './feed-disk.ts';
import { QueueListeners } from './queue-listeners.ts';

export interface EmbeddedQueueOptions {
  readonly disk: FeedDisk;
  readonly clock: FeedClock;
  /** Asked each time: another configuration may say otherwise. */
  readonly maxEntries: () => number;
  /** The disk has begun to fail, with the reason, or works again. */
  readonly onTrouble: (trouble: string | undefined) => void;
}

interface Operation {
  /** Changes the draft, and says what the change is called and which addresses it is about. */
  readonly run: (draft: BookDraft) => void;
  readonly kind: QueueChange['kind'];
  readonly addresses: readonly string[];
  readonly done: PromiseWithResolvers<void>;
}

/** A sender waits no longer for an answer than this, and the disk may hang. */
const WRITE_PATIENCE_MS = 5_000;
const PROBE_MS = 5_000;
const DISK_RETRY_SECONDS = 10;
const FULL_RETRY_SECONDS = 60;

/**
 * The queue of one gateway by itself. Changes that come together are written together, one write at a time, and seen
 * when they are on the disk. Owns the disk.
 */
export class EmbeddedQueue implements FeedQueue {
  readonly type = 'embedded';
  readonly #options: EmbeddedQueueOptions;
  readonly #book: FeedBook;
  readonly #listeners: QueueListeners = new QueueListeners();
  #waiting: Operation[] = [];
  #writing: Promise<void> | undefined;
  #trouble: string | undefined;
  #probe: Disposable | undefined;
  #isClosed = false;

  constructor(options: EmbeddedQueueOptions) {
    this.#options = options;
    this.#book = new FeedBook(options.disk.entries);
  }

  async put(sightings: readonly Sighting[]): Promise<PutResult> {
    if (sightings.length === 0) return { blocked: 0, extended: 0 };
    const { clock, maxEntries } = this.#options;
    let result: PutResult = { blocked: 0, extended: 0 };
    const addresses = sightings.map(({ address }) => address);
    const written = this.#change('put', addresses, (draft) => {
      result = draft.put(sightings, clock.nowMs(), maxEntries());
    });
    await this.#inTime(written);
    return result;
  }

  due(nowMs: number, leadMs: number): readonly FeedEntry[] {
    return this.#book.due(nowMs, leadMs);
  }

  nextDueMs(leadMs: number): number | undefined {
    return this.#book.nextDueMs(leadMs);
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    const addresses = settlements.map(({ address }) => address);
    await this.#change('relayed', addresses, (draft) => draft.settle(settlements));
  }

  async conclude(conclusions: readonly Conclusion[]): Promise<void> {
    const addresses = conclusions.map(({ address }) => address);
    // At once: nobody may be offered again what is put off while that is written.
    this.#book.postpone(conclusions);
    await this.#change('relayed', addresses, (draft) => draft.conclude(conclusions));
  }

  async remove(address: string): Promise<boolean> {
    let wasThere = false;
    await this.#inTime(
      this.#change('removed', [address], (draft) => {
        wasThere = draft.remove(address);
      }),
    );
    return wasThere;
  }

  /** Needs no disk: what has had its time is not read from there any more. */
  async expire(nowMs: number): Promise<void> {
    this.#listeners.tell({ kind: 'expired', entries: this.#book.expire(nowMs) });
  }

  find(address: string): FeedEntry | undefined {
    return this.#book.find(address);
  }

  entries(): Iterable<FeedEntry> {
    return this.#book.entries();
  }

  status(): QueueStatus {
    return { ...this.#book.backlog(), trouble: this.#trouble };
  }

  onChange(listener: (change: QueueChange) => void): Disposable {
    return this.#listeners.add(listener);
  }

  /** Waits for what is under way, but not for a disk that hangs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#probe?.[Symbol.dispose]();
    await Promise.race([this.#writing, delay(WRITE_PATIENCE_MS, undefined, { ref: false })]);
    await this.#options.disk[Symbol.asyncDispose]();
  }

  #change(kind: Operation['kind'], addresses: readonly string[], run: Operation['run']): Promise<void> {
    if (this.#isClosed) return Promise.reject(unavailable('the gateway is ending', DISK_RETRY_SECONDS));
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ run, kind, addresses, done });
    this.#writing ??= this.#writeAll();
    return done.promise;
  }

  async #writeAll(): Promise<void> {
    // What else comes in this turn goes with it.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#write(batch);
    }
    this.#writing = undefined;
  }

  async #write(batch: readonly Operation[]): Promise<void> {
    const { disk, clock } = this.#options;
    const draft = this.#book.draft();
    const drafted = batch.filter((operation) => isDrafted(operation, draft));
    const removed = new Map(
      drafted
        .filter(({ kind }) => kind === 'removed')
        .flatMap(({ addresses }) => addresses.map((address) => [address, this.#book.find(address)] as const)),
    );
    try {
      if (draft.changes.size > 0) await disk.write(draft.changes, clock.nowMs());
    } catch (error) {
      this.#failed(error);
      for (const { done } of drafted) done.reject(unavailable(messageOf(error), DISK_RETRY_SECONDS, error));
      return;
    }
    if (draft.changes.size > 0) this.#recovered();
    this.#book.apply(draft.changes, clock.nowMs());
    for (const { kind, addresses, done } of drafted) {
      done.resolve();
      const entryOf = (address: string): FeedEntry | undefined =>
        kind === 'removed' ? removed.get(address) : this.#book.find(address);
      this.#listeners.tell({ kind, entries: addresses.flatMap((address) => entryOf(address) ?? []) });
    }
  }

  #failed(error: unknown): void {
    const isNew = this.#trouble === undefined;
    this.#trouble = messageOf(error);
    if (isNew) this.#options.onTrouble(this.#trouble);
    if (this.#isClosed) return;
    this.#probe?.[Symbol.dispose]();
    this.#probe = this.#options.clock.after(PROBE_MS, () => {
      this.#lookAgain().catch(() => {});
    });
  }

  #recovered(): void {
    this.#probe?.[Symbol.dispose]();
    if (this.#trouble === undefined) return;
    this.#trouble = undefined;
    this.#options.onTrouble(undefined);
  }

  /** Nobody may come for a long time: whether the disk works again is found out without them. */
  async #lookAgain(): Promise<void> {
    const { disk, clock } = this.#options;
    try {
      await disk.write(new Map(), clock.nowMs());
      this.#recovered();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #inTime(written: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>();
    using _patience = this.#options.clock.after(WRITE_PATIENCE_MS, () => {
      late.reject(unavailable('the disk does not answer', DISK_RETRY_SECONDS));
    });
    await Promise.race([written, late.promise]);
  }
}

function isDrafted({ run, done }: Operation, draft: BookDraft): boolean {
  try {
    run(draft);
    return true;
  } catch (error) {
    const isFull = error instanceof BookFullError;
    done.reject(isFull ? unavailable('feeds.max-entries addresses are blocked', FULL_RETRY_SECONDS) : error);
    return false;
  }
}

function unavailable(detail: string, retryAfterSeconds: number, cause?: unknown): FeedUnavailableError {
  return new FeedUnavailableError({ detail, retryAfterSeconds, cause });
}
