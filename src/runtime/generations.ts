import type { Generation } from './generation.ts';
import type { TrustKeeper } from './trust-keeper.ts';

/** How often it is looked whether sessions of an earlier configuration are left. */
const CARRY_MS = 250;

/** The configuration in force, and those before it that still have sessions. */
export class Generations implements Disposable {
  #current: Generation;
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
    return this.#all.find((generation) => generation.number === number);
  }

  /** The workers have taken it over. What sessions of those before count and hold is moved on until they are gone. */
  replace(next: Generation): void {
    this.#current.retire(next.config);
    this.#retired.push(this.#current);
    if (this.#current.trust.isFollowing) this.#followers.push(this.#current.trust);
    this.#current = next;
    this.#timer ??= setInterval(() => this.#carry(), CARRY_MS);
  }

  /** Gives back all that a worker held when it died. */
  releaseWorker(worker: number): void {
    for (const { pools } of this.#all) {
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

  #carry(): void {
    for (const generation of this.#all) generation.carry();
    for (const gone of this.#retired.filter(({ isIdle }) => isIdle)) {
      this.#all[this.#all.indexOf(gone) + 1]?.skipEarlier();
      this.#retired.splice(this.#retired.indexOf(gone), 1);
      gone[Symbol.dispose]();
    }
    // A service has sessions of its last generation and of those before.
    const [oldest] = this.#all;
    for (const trust of this.#followers.filter(({ generation }) => generation < (oldest?.number ?? 0))) {
      this.#followers.splice(this.#followers.indexOf(trust), 1);
      trust[Symbol.dispose]();
    }
    if (this.#retired.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
