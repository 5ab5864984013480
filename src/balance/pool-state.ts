import { ChangeSignal } from './change-signal.ts';
import { type MemberState, STATES } from './member-state.ts';
import {
  ACTIVE,
  CONNECTIONS,
  FAILURES,
  LIMIT,
  OPEN,
  PoolLayout,
  SATURATION,
  SLOTS,
  STATE,
  TICKET,
  VERSION,
  WAITING,
  WEIGHT,
  WORKERS,
} from './pool-layout.ts';
import { lowerLimit } from './saturation.ts';
import { SaturationWords } from './saturation-words.ts';
import { WorkerCounts } from './worker-counts.ts';

/** Weights are kept in 256ths, so that a slow start has steps even for a weight of 1. */
export const WEIGHT_UNIT = 256;

/**
 * The part of one service's pool that must be exact in every thread, over one SharedArrayBuffer. The main thread writes
 * states, weights and limits, workers count connections, waiters and failures; both construct it over the same buffer.
 */
export class PoolState {
  readonly buffer: SharedArrayBuffer;
  readonly slots: number;
  readonly workers: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #layout: PoolLayout;
  readonly #counts: WorkerCounts;
  readonly #saturation: SaturationWords;
  readonly #changes: ChangeSignal;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.slots = Atomics.load(this.#words, SLOTS);
    this.workers = Atomics.load(this.#words, WORKERS);
    if (this.slots < 1 || this.workers < 1 || this.#words.length !== PoolLayout.wordCount(this.slots, this.workers)) {
      throw new RangeError('this buffer was not made by PoolState.create');
    }
    this.#layout = new PoolLayout(this.slots, this.workers);
    this.#counts = new WorkerCounts(this.#words, this.workers);
    this.#saturation = new SaturationWords(this.#words);
    this.#changes = new ChangeSignal(this.#words, VERSION);
  }

  /** Makes a pool in which every slot is `unused`. */
  static create(slots: number, workers: number): PoolState {
    const buffer = new SharedArrayBuffer(PoolLayout.wordCount(slots, workers) * Int32Array.BYTES_PER_ELEMENT);
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
    return STATES[this.#load(slot, STATE)] ?? 'unused';
  }

  /** A slot that is not up forgets its saturation: what comes back may be another machine. */
  setState(slot: number, state: MemberState): void {
    this.#store(slot, STATE, STATES.indexOf(state));
    if (state !== 'up') this.#saturation.clear(this.#layout.record(slot) + SATURATION);
    this.#wakeWaiters();
  }

  /** The weight in force, in units of 1/WEIGHT_UNIT. */
  weightOf(slot: number): number {
    return this.#load(slot, WEIGHT);
  }

  setWeight(slot: number, weight: number): void {
    this.#store(slot, WEIGHT, weight);
  }

  /** Connections that may be open to this slot now, 0 for any number: its own limit, or less while it is saturated. */
  limitOf(slot: number): number {
    return lowerLimit(this.#load(slot, LIMIT), this.#saturation.capOf(this.#layout.record(slot) + SATURATION));
  }

  /** The slot's own limit, whatever its saturation; 0: none. */
  configuredLimitOf(slot: number): number {
    return this.#load(slot, LIMIT);
  }

  /** Sets the slot's own limit; 0: none. */
  setLimit(slot: number, limit: number): void {
    this.#store(slot, LIMIT, limit);
    this.#wakeWaiters();
  }

  /** Connections to this slot that are in use, over all workers. */
  activeOf(slot: number): number {
    return this.#counts.sum(this.#layout.slotRow(slot, ACTIVE));
  }

  /** Connections to this slot that are in use or idle, over all workers. */
  openOf(slot: number): number {
    return this.#counts.sum(this.#layout.slotRow(slot, OPEN));
  }

  /** Connections to this slot that are open and not in use, over all workers. */
  idleOf(slot: number): number {
    // The two sums are not of the same moment.
    return Math.max(0, this.openOf(slot) - this.activeOf(slot));
  }

  /** Whether this worker has an idle connection to the slot. */
  hasIdle(slot: number, worker: number): boolean {
    return (
      this.#counts.of(this.#layout.slotRow(slot, OPEN), worker) >
      this.#counts.of(this.#layout.slotRow(slot, ACTIVE), worker)
    );
  }

  /**
   * Counts one more connection in use unless that makes more than `limit` (0: no limit) open ones. When two workers race
   * for the last place both may be refused, never both let in.
   */
  acquire(slot: number, limit: number, worker: number): boolean {
    const row = this.#layout.slotRow(slot, OPEN);
    if (!this.#counts.tryAdd(row, worker, limit)) {
      // Somebody else may have been refused only because this attempt was counted, and would wait for nothing.
      if (this.#counts.sum(row) < limit) this.#wakeWaiters();
      return false;
    }
    this.#counts.add(this.#layout.slotRow(slot, ACTIVE), worker);
    return true;
  }

  /** A connection in use has closed. */
  release(slot: number, worker: number): void {
    this.#counts.subtract(this.#layout.slotRow(slot, ACTIVE), worker);
    this.#counts.subtract(this.#layout.slotRow(slot, OPEN), worker);
    this.#wakeWaiters();
  }

  /** An idle connection of this worker goes into use. */
  takeIdle(slot: number, worker: number): void {
    this.#requireIdle(slot, worker);
    this.#counts.add(this.#layout.slotRow(slot, ACTIVE), worker);
  }

  /** A connection in use becomes idle; it goes on counting as open. */
  giveIdle(slot: number, worker: number): void {
    this.#counts.subtract(this.#layout.slotRow(slot, ACTIVE), worker);
    this.#wakeWaiters();
  }

  /** An idle connection of this worker has closed. */
  dropIdle(slot: number, worker: number): void {
    this.#requireIdle(slot, worker);
    this.#counts.subtract(this.#layout.slotRow(slot, OPEN), worker);
    this.#wakeWaiters();
  }

  /** Connections that all workers hold to the whole service. */
  connections(): number {
    return this.#counts.sum(this.#layout.headerRow(CONNECTIONS));
  }

  /** Counts one more connection to the service unless that makes more than `limit` (0: no limit). */
  acquireConnection(limit: number, worker: number): boolean {
    return this.#counts.tryAdd(this.#layout.headerRow(CONNECTIONS), worker, limit);
  }

  releaseConnection(worker: number): void {
    this.#counts.subtract(this.#layout.headerRow(CONNECTIONS), worker);
  }

  /**
   * Counts one more that waits for a place, unless `limit` wait already; then none is let in, also for a limit of 0.
   * Wakes the others, so that a worker with idle connections learns that somebody else is in want of them.
   */
  enqueue(limit: number, worker: number): boolean {
    if (limit === 0 || !this.#counts.tryAdd(this.#layout.headerRow(WAITING), worker, limit)) return false;
    this.wake();
    return true;
  }

  /** One that waited got a place or gave up. */
  dequeue(worker: number): void {
    this.#counts.subtract(this.#layout.headerRow(WAITING), worker);
  }

  /** How many wait for a place, over all workers. */
  queued(): number {
    return this.#counts.sum(this.#layout.headerRow(WAITING));
  }

  /**
   * Resolves when a place may have become free, in this worker or another, and now and then for nothing. Call it after
   * `enqueue` and before the look for a place that may end in waiting, or a place that comes free in between is missed.
   */
  waitForChange(): Promise<void> {
    return this.#changes.next();
  }

  /** Resolves all waits for a change. Whatever frees a place here does so by itself while anybody is queued. */
  wake(): void {
    this.#changes.raise();
  }

  /** Takes over what an earlier pool still holds, in place of what was taken over before. */
  carry(earlier: PoolState, slotOf: (slot: number) => number | undefined): void {
    const counts = this.#counts;
    counts.carry(this.#layout.headerRow(CONNECTIONS), earlier.connections());
    const held = new Map<number, number>();
    for (let slot = 0; slot < earlier.slots; slot += 1) {
      const own = slotOf(slot);
      if (own !== undefined) held.set(own, (held.get(own) ?? 0) + earlier.activeOf(slot));
    }
    for (let slot = 0; slot < this.slots; slot += 1) {
      for (const row of [OPEN, ACTIVE]) counts.carry(this.#layout.slotRow(slot, row), held.get(slot) ?? 0);
    }
    this.#wakeWaiters();
  }

  /** Whether no worker counts anything here. */
  isUnused(): boolean {
    return this.#layout.rows().every((row) => this.#counts.sumOfWorkers(row) === 0);
  }

  /** Gives back all that a worker held. Only for a worker that has ended: it must not count any more. */
  releaseWorker(worker: number): void {
    for (const row of this.#layout.rows()) this.#counts.clear(row, worker);
    this.#wakeWaiters();
  }

  /** Records a connection that could not be opened. Returns how many have failed in a row, over all workers. */
  recordFailure(slot: number): number {
    return Atomics.add(this.#words, this.#layout.record(slot) + FAILURES, 1) + 1;
  }

  /** Ends the run of failures. */
  recordSuccess(slot: number): void {
    // A plain read first: storing on every connection would pull the cache line from core to core for nothing.
    if (this.#load(slot, FAILURES) !== 0) this.#store(slot, FAILURES, 0);
  }

  /** How many connections in a row could not be opened. */
  failuresOf(slot: number): number {
    return this.#load(slot, FAILURES);
  }

  /**
   * The member said that it is overloaded, the one that it said so to still counted as active. Lowers its limit and
   * leaves it alone for `pauseMs`, where others can do the work. All threads must read `nowMs` from the same clock.
   */
  recordSaturation(slot: number, nowMs: number, pauseMs: number): void {
    const at = this.#layout.record(slot) + SATURATION;
    this.#saturation.pause(at, nowMs, pauseMs);
    this.#saturation.lower(at, nowMs, this.activeOf(slot));
  }

  /** The member did its work: gives back a part of what its saturation took, at most once a second. */
  recordAnswer(slot: number, nowMs: number): void {
    const at = this.#layout.record(slot) + SATURATION;
    if (this.#saturation.raise(at, nowMs, this.#load(slot, LIMIT))) this.#wakeWaiters();
  }

  /** Whether the member is to be left alone after a saturation. */
  isPaused(slot: number, nowMs: number): boolean {
    return this.#saturation.isPaused(this.#layout.record(slot) + SATURATION, nowMs);
  }

  #wakeWaiters(): void {
    // Whoever waits has queued before its last look, so either it saw the place that is free now or it is seen here.
    if (this.queued() > 0) this.wake();
  }

  #requireIdle(slot: number, worker: number): void {
    if (!this.hasIdle(slot, worker)) throw new RangeError(`worker ${worker} has no idle connection to slot ${slot}`);
  }

  #load(slot: number, word: number): number {
    return Atomics.load(this.#words, this.#layout.record(slot) + word);
  }

  #store(slot: number, word: number, value: number): void {
    Atomics.store(this.#words, this.#layout.record(slot) + word, value);
  }
}
