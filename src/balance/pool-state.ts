const STATES = ['unused', 'up', 'down', 'ejected', 'drain', 'maint'] as const;

/** What a slot of the pool is fit for. Only `up` takes new connections in the ordinary course of things. */
export type MemberState = (typeof STATES)[number];

/** Weights are kept in 256ths, so that a slow start has steps even for a weight of 1. */
export const WEIGHT_UNIT = 256;

const SLOTS = 0;
const WORKERS = 1;
const TICKET = 2;
const HEADER_WORDS = 3;

const STATE = 0;
const WEIGHT = 1;
const FAILURES = 2;
const SLOT_WORDS = 3;

/**
 * The part of one service's pool that must be exact in every thread, over one SharedArrayBuffer. The main thread writes
 * states and weights, workers count connections and connect failures; both sides construct it over the same buffer.
 *
 * A count is kept as one cell per worker and read as their sum. A worker touches only its own cells, so what a worker
 * held when it died is known exactly, wherever it was cut off.
 */
export class PoolState {
  readonly buffer: SharedArrayBuffer;
  readonly slots: number;
  readonly workers: number;
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.slots = Atomics.load(this.#words, SLOTS);
    this.workers = Atomics.load(this.#words, WORKERS);
    if (this.slots < 1 || this.workers < 1 || this.#words.length !== wordCount(this.slots, this.workers)) {
      throw new RangeError('this buffer was not made by PoolState.create');
    }
  }

  /** Makes a pool in which every slot is `unused`. */
  static create(slots: number, workers: number): PoolState {
    const buffer = new SharedArrayBuffer(wordCount(slots, workers) * Int32Array.BYTES_PER_ELEMENT);
    const words = new Int32Array(buffer);
    words[SLOTS] = slots;
    words[WORKERS] = workers;
    return new PoolState(buffer);
  }

  /** The next number of the one sequence that all workers share; wraps at 2^32. */
  nextTicket(): number {
    return Atomics.add(this.#words, TICKET, 1) >>> 0;
  }

  stateOf(slot: number): MemberState {
    return STATES[Atomics.load(this.#words, this.#record(slot) + STATE)] ?? 'unused';
  }

  setState(slot: number, state: MemberState): void {
    Atomics.store(this.#words, this.#record(slot) + STATE, STATES.indexOf(state));
  }

  /** The weight in force, in units of 1/WEIGHT_UNIT. */
  weightOf(slot: number): number {
    return Atomics.load(this.#words, this.#record(slot) + WEIGHT);
  }

  setWeight(slot: number, weight: number): void {
    Atomics.store(this.#words, this.#record(slot) + WEIGHT, weight);
  }

  /** Connections that all workers hold to this slot. */
  activeOf(slot: number): number {
    return this.#sum(this.#record(slot) + SLOT_WORDS);
  }

  /**
   * Counts one more connection unless that makes more than `limit` (0: no limit). When two workers race for the last
   * place both may be refused, never both let in.
   */
  acquire(slot: number, limit: number, worker: number): boolean {
    return this.#acquire(this.#record(slot) + SLOT_WORDS, limit, worker);
  }

  release(slot: number, worker: number): void {
    this.#release(this.#record(slot) + SLOT_WORDS, worker);
  }

  /** Connections that all workers hold to the whole service. */
  connections(): number {
    return this.#sum(HEADER_WORDS);
  }

  /** As `acquire`, for the service's own limit. */
  acquireConnection(limit: number, worker: number): boolean {
    return this.#acquire(HEADER_WORDS, limit, worker);
  }

  releaseConnection(worker: number): void {
    this.#release(HEADER_WORDS, worker);
  }

  /** Gives back all that a worker held. Only for a worker that has ended: it must not count any more. */
  releaseWorker(worker: number): void {
    Atomics.store(this.#words, this.#cell(HEADER_WORDS, worker), 0);
    for (let slot = 0; slot < this.slots; slot += 1) {
      Atomics.store(this.#words, this.#cell(this.#record(slot) + SLOT_WORDS, worker), 0);
    }
  }

  /** Records a connection that could not be opened. Returns how many have failed in a row, over all workers. */
  recordFailure(slot: number): number {
    return Atomics.add(this.#words, this.#record(slot) + FAILURES, 1) + 1;
  }

  /** Ends the run of failures. */
  recordSuccess(slot: number): void {
    const failures = this.#record(slot) + FAILURES;
    // A plain read first: storing on every connection would pull the cache line from core to core for nothing.
    if (Atomics.load(this.#words, failures) !== 0) Atomics.store(this.#words, failures, 0);
  }

  /** How many connections in a row could not be opened. */
  failuresOf(slot: number): number {
    return Atomics.load(this.#words, this.#record(slot) + FAILURES);
  }

  #acquire(row: number, limit: number, worker: number): boolean {
    const cell = this.#cell(row, worker);
    Atomics.add(this.#words, cell, 1);
    // Whoever counts last sees everybody who counted before and still holds, so the sum cannot hide an excess.
    if (limit === 0 || this.#sum(row) <= limit) return true;
    Atomics.sub(this.#words, cell, 1);
    return false;
  }

  #release(row: number, worker: number): void {
    const cell = this.#cell(row, worker);
    if (Atomics.load(this.#words, cell) === 0) throw new RangeError('released a connection that was not acquired');
    Atomics.sub(this.#words, cell, 1);
  }

  #sum(row: number): number {
    let sum = 0;
    for (let worker = 0; worker < this.workers; worker += 1) sum += Atomics.load(this.#words, row + worker);
    return sum;
  }

  #record(slot: number): number {
    if (!(slot >= 0 && slot < this.slots)) throw new RangeError(`no slot ${slot} in a pool of ${this.slots}`);
    return HEADER_WORDS + this.workers + slot * (SLOT_WORDS + this.workers);
  }

  #cell(row: number, worker: number): number {
    if (!(worker >= 0 && worker < this.workers)) throw new RangeError(`no worker ${worker} of ${this.workers}`);
    return row + worker;
  }
}

function wordCount(slots: number, workers: number): number {
  return HEADER_WORDS + workers + slots * (SLOT_WORDS + workers);
}
