import type { QueueChange } from '../contract/feed-queue.ts';

/** Who is told of the changes of a queue. */
export class QueueListeners {
  readonly #listeners: Set<(change: QueueChange) => void> = new Set();

  /** Until it is disposed. */
  add(listener: (change: QueueChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** A change of nothing is none. */
  tell(change: QueueChange): void {
    if (change.entries.length === 0) return;
    for (const listener of this.#listeners) listener(change);
  }
}
