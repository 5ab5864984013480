import type { Logger } from '../../observe/logger.ts';
import type { FeedClock } from '../contract/feed-clock.ts';

/** Somebody who was turned away, by a status or before anything was read. */
export interface Refusal {
  /** Without a port. */
  readonly host: string;
  /** With it, for the line of the first time. */
  readonly client: string;
  /** Undefined: the connection was closed, as its address is not in `allow-from`. */
  readonly answer: { readonly code: number; readonly reason: string } | undefined;
}

export interface RefusalLogOptions {
  readonly feed: string;
  readonly clock: FeedClock;
  readonly log: Pick<Logger, 'log'>;
}

interface Repetition {
  readonly host: string;
  readonly answer: Refusal['answer'];
  count: number;
}

const WINDOW_MS = 60_000;
/** Senders and reasons that are told apart at a time; the others are counted together. */
const TOLD_APART = 100;
const OTHERS = 'other addresses';

/**
 * Tells of each sender the first refusal of a kind, and of those that follow within a minute how many there were: neither
 * one that tries for ever nor a flood from everywhere fills the log. Disposing tells what was counted so far.
 */
export class RefusalLog implements Disposable {
  readonly #options: RefusalLogOptions;
  readonly #known: Map<string, Repetition> = new Map();
  readonly #others: Map<string, Repetition> = new Map();
  #timer: Disposable | undefined;
  #sinceMs = 0;

  constructor(options: RefusalLogOptions) {
    this.#options = options;
  }

  add(refusal: Refusal): void {
    const { host, answer } = refusal;
    if (this.#timer === undefined) this.#beginWindow();
    const key = JSON.stringify([host, answer]);
    const known = this.#known.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.#known.size < TOLD_APART) {
      this.#known.set(key, { host, answer, count: 0 });
      this.#tell(refusal);
    } else this.#addOther(answer);
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#summarize();
    this.#known.clear();
  }

  #addOther(answer: Refusal['answer']): void {
    const key = String(answer?.code);
    const other = this.#others.get(key) ?? {
      host: OTHERS,
      answer: answer && { ...answer, reason: 'several' },
      count: 0,
    };
    other.count += 1;
    this.#others.set(key, other);
  }

  #tell({ client, answer }: Refusal): void {
    const { feed, log } = this.#options;
    if (answer === undefined) log.log('feed-client-refused', { feed, client });
    else log.log('feed-request-refused', { feed, client, ...answer });
  }

  #beginWindow(): void {
    const { clock } = this.#options;
    this.#sinceMs = clock.nowMs();
    this.#timer = clock.after(WINDOW_MS, () => this.#endWindow());
  }

  #endWindow(): void {
    this.#timer = undefined;
    this.#summarize();
    // Who goes on is told once a minute from here on; who has stopped may begin anew.
    for (const [key, repetition] of this.#known) {
      if (repetition.count === 0) this.#known.delete(key);
      else repetition.count = 0;
    }
    if (this.#known.size > 0) this.#beginWindow();
  }

  #summarize(): void {
    const { feed, log, clock } = this.#options;
    // A clock that was set back must not make it less than nothing.
    const seconds = Math.max(1, Math.ceil((clock.nowMs() - this.#sinceMs) / 1000));
    for (const { host: client, answer, count } of [...this.#known.values(), ...this.#others.values()]) {
      if (count === 0) continue;
      const what = { feed, client, count, seconds };
      if (answer === undefined) log.log('feed-clients-refused', what);
      else log.log('feed-requests-refused', { ...what, ...answer });
    }
    this.#others.clear();
  }
}
