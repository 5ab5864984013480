import type { Generation } from './generation.ts';

/** How often it is looked whether sessions of an earlier configuration are left. */
const CARRY_MS = 250;

/** The configuration in force, and those before it that still have sessions. */
export class Generations implements Disposable {
  #current: Generation;
  /** The oldest first. */
  readonly #retired: Generation[] = [];
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
    this.#current.retire();
    this.#retired.push(this.#current);
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
    if (this.#retired.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
