import type { Generation } from './generation.ts';
import type { TrustKeeper } from './trust-keeper.ts';

/** How often it is looked whether sessions of an earlier configuration are left. */
const CARRY_MS = 250;

/** The configuration in force, and those before it that still have sessions. */
export class Generations implements Disposable {
  #current: Generation;
  /** Workers take it over one after the other: some are in it already. */
  #coming: Generation | undefined;
  /** The oldest first. */
  readonly #retired: Generation[] = [];
  /** Those that follow the trust of services which later configurations have not. */
  readonly #followers: TrustKeeper[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(first: Generation) {
    this.#current = first;
  }

  get current(): Generation {
    return this.#current;
  }

  find(number: number): Generation | undefined {
    return this.#known.find((generation) => generation.number === number);
  }

  /** The workers begin to take it over: what they tell of it is heard from here on. */
  prepare(next: Generation): void {
    this.#coming = next;
  }

  /** The workers do not take over what was prepared. */
  abandon(): void {
    this.#coming?.[Symbol.dispose]();
    this.#coming = undefined;
  }

  /** The workers have taken it over. What sessions of those before count and hold is moved on until they are gone. */
  replace(next: Generation): void {
    // Before anybody reads the totals of the next one: none of them may be lower than what was read before.
    next.carry();
    this.#current.retire(next.config);
    this.#retired.push(this.#current);
    if (this.#current.trust.isFollowing) this.#followers.push(this.#current.trust);
    this.#current = next;
    this.#coming = undefined;
    this.#timer ??= setInterval(() => this.#carry(), CARRY_MS);
  }

  /** Gives back all that a worker held when it died. */
  releaseWorker(worker: number): void {
    for (const { pools } of this.#known) {
      for (const pool of pools) pool.state.releaseWorker(worker);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const generation of this.#all) generation[Symbol.dispose]();
    for (const trust of [...this.#followers, this.#current.trust]) trust[Symbol.dispose]();
  }

  get #all(): readonly Generation[] {
    return [...this.#retired, this.#current];
  }

  /** All in which a worker may be. */
  get #known(): readonly Generation[] {
    return this.#coming === undefined ? this.#all : [...this.#all, this.#coming];
  }

  /** Whether sessions of a service are left from this generation, its last one, or from those before. */
  #hasSessions(service: string, last: number): boolean {
    return this.#all
      .filter(({ number }) => number <= last)
      .some((generation) => generation.poolOf(service)?.state.isUnused() === false);
  }

  #carry(): void {
    for (const generation of this.#all) generation.carry();
    for (const gone of this.#retired.filter(({ isIdle }) => isIdle)) {
      this.#all[this.#all.indexOf(gone) + 1]?.skipEarlier();
      this.#retired.splice(this.#retired.indexOf(gone), 1);
      gone[Symbol.dispose]();
    }
    for (const trust of [...this.#followers]) {
      trust.follow((service) => this.#hasSessions(service, trust.generation));
      if (!trust.isFollowing) this.#followers.splice(this.#followers.indexOf(trust), 1);
    }
    if (this.#retired.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
