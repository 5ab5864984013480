import type { ServiceOptions } from '../icap/service-options.ts';
import type { OptionsAnswer } from './options-exchange.ts';
import { isProblem, type ProbeOptions, type Problem } from './probe.ts';

/** Asks a member for the OPTIONS of a path, over a connection of its own. Settles as a `Probe` does. */
export type AskOptions = (path: string, options: ProbeOptions) => Promise<OptionsAnswer | Problem>;

export interface MemberCatalogOptions {
  readonly ask: AskOptions;
  readonly timeoutMs: number;
  /** Until it is asked again after it did not answer. */
  readonly retryMs: number;
  /** Told after each answer, and when there was none. */
  readonly onChange: (path: string) => void;
}

/** What is known of one path of one member. */
export interface CatalogEntry {
  /** Of the last answer that counts; 0: none yet. */
  readonly status: number;
  readonly options: ServiceOptions | undefined;
  /** Epoch milliseconds. */
  readonly fetchedAtMs: number;
  /** Whether the first answer has come, or nobody need wait for it. */
  readonly isSettled: boolean;
}

interface Entry extends CatalogEntry {
  /** On the clock of `performance.now()`. */
  readonly dueAtMs: number;
}

const SHORTEST_MS = 30_000;
const LONGEST_MS = 3_600_000;
/** Where the answer does not say how long it holds. squid's choice, too. */
const DEFAULT_MS = 60_000;

/**
 * Keeps the OPTIONS of one member's paths: asks again when an answer has aged, one path at a time, since each connection
 * costs a small server one of its few. A failure tells nothing new: the last good answer stays.
 */
export class MemberCatalog implements Disposable {
  readonly #options: MemberCatalogOptions;
  readonly #entries: Map<string, Entry> = new Map();
  #stop: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isHeld = false;
  /** Whether it failed to answer when it was asked last. */
  #isFailing = false;

  constructor(options: MemberCatalogOptions) {
    this.#options = options;
  }

  /** Asks for another path at once, and from then on. */
  add(path: string): void {
    // One that hangs would make the clients of the others wait.
    const isSettled = this.#isHeld || this.#isFailing;
    const dueAtMs = Number.NEGATIVE_INFINITY;
    this.#entries.set(path, { status: 0, options: undefined, fetchedAtMs: 0, isSettled, dueAtMs });
    this.#schedule();
  }

  /** Asks for it no more. */
  remove(path: string): void {
    this.#entries.delete(path);
  }

  entryOf(path: string): CatalogEntry | undefined {
    return this.#entries.get(path);
  }

  /** Asks for everything again: the member may be another one than it was. */
  refresh(): void {
    this.#isHeld = false;
    for (const [path, entry] of this.#entries) this.#entries.set(path, { ...entry, dueAtMs: performance.now() });
    this.#schedule();
  }

  /** Leaves the member alone until `refresh`. */
  hold(): void {
    this.#isHeld = true;
    this.#halt();
    this.#settleAll();
  }

  [Symbol.dispose](): void {
    this.#isHeld = true;
    this.#halt();
  }

  #halt(): void {
    clearTimeout(this.#timer);
    this.#stop?.abort();
    this.#stop = undefined;
  }

  #schedule(): void {
    if (this.#isHeld || this.#stop !== undefined) return;
    clearTimeout(this.#timer);
    let next: string | undefined;
    let dueAtMs = Number.POSITIVE_INFINITY;
    for (const [path, entry] of this.#entries) {
      if (entry.dueAtMs >= dueAtMs) continue;
      next = path;
      dueAtMs = entry.dueAtMs;
    }
    if (next === undefined) return;
    const path = next;
    this.#timer = setTimeout(() => this.#ask(path), Math.max(0, dueAtMs - performance.now()));
  }

  #ask(path: string): void {
    const { ask, timeoutMs } = this.#options;
    const stop = new AbortController();
    this.#stop = stop;
    ask(path, { timeoutMs, signal: stop.signal }).then(
      (answer) => {
        if (this.#stop !== stop) return;
        this.#stop = undefined;
        this.#isFailing = isProblem(answer);
        if (isProblem(answer)) this.#postpone();
        else this.#accept(path, answer);
        this.#schedule();
      },
      (error: unknown) => {
        // It rejects when it was aborted. Anything else is a mistake that must not go unseen.
        if (!stop.signal.aborted) throw error;
      },
    );
  }

  #accept(path: string, { status, options }: OptionsAnswer): void {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    const nowMs = performance.now();
    // A server in trouble answers so for a while: what it said in health still holds then.
    const isTrouble = status >= 500;
    if (isTrouble && entry.options !== undefined) {
      this.#entries.set(path, { ...entry, dueAtMs: nowMs + this.#options.retryMs });
    } else {
      const pauseMs = isTrouble ? this.#options.retryMs : lifetimeOf(options);
      const fetchedAtMs = Date.now();
      this.#entries.set(path, { status, options, fetchedAtMs, isSettled: true, dueAtMs: nowMs + pauseMs });
    }
    this.#options.onChange(path);
  }

  /** It did not answer for one path, so it would not for the others: they would only take a deadline each. */
  #postpone(): void {
    const earliestMs = performance.now() + this.#options.retryMs;
    for (const [path, entry] of this.#entries) {
      this.#entries.set(path, { ...entry, dueAtMs: Math.max(entry.dueAtMs, earliestMs) });
    }
    this.#settleAll();
  }

  #settleAll(): void {
    for (const [path, entry] of this.#entries) {
      if (entry.isSettled) continue;
      this.#entries.set(path, { ...entry, isSettled: true });
      this.#options.onChange(path);
    }
  }
}

function lifetimeOf(options: ServiceOptions | undefined): number {
  const ttlSeconds = options?.ttlSeconds;
  if (ttlSeconds === undefined) return DEFAULT_MS;
  return Math.min(Math.max(ttlSeconds * 1000, SHORTEST_MS), LONGEST_MS);
}
