import { SATURATION_WORDS } from './saturation-words.ts';
import { WorkerCounts } from './worker-counts.ts';

export const SLOTS = 0;
export const WORKERS = 1;
export const TICKET = 2;
export const VERSION = 3;
export const HEADER_WORDS = 4;

/** Rows of one cell per worker that follow the header. */
export const CONNECTIONS = 0;
export const WAITING = 1;
export const HEADER_ROWS = 2;

export const STATE = 0;
export const WEIGHT = 1;
export const FAILURES = 2;
export const LIMIT = 3;
export const SATURATION = 4;
export const SLOT_WORDS: number = SATURATION + SATURATION_WORDS;

/** Rows of one cell per worker that follow the words of a slot. `open` counts those in use and those that are idle. */
export const OPEN = 0;
export const ACTIVE = 1;
export const SLOT_ROWS = 2;

/** Where everything of a pool lies in its memory. */
export class PoolLayout {
  readonly #slots: number;
  readonly #width: number;

  constructor(slots: number, workers: number) {
    this.#slots = slots;
    this.#width = WorkerCounts.widthFor(workers);
  }

  /** How many words a pool needs. */
  static wordCount(slots: number, workers: number): number {
    const width = WorkerCounts.widthFor(workers);
    return HEADER_WORDS + HEADER_ROWS * width + slots * (SLOT_WORDS + SLOT_ROWS * width);
  }

  /** The first word of a slot. */
  record(slot: number): number {
    if (!(slot >= 0 && slot < this.#slots)) throw new RangeError(`no slot ${slot} in a pool of ${this.#slots}`);
    return HEADER_WORDS + HEADER_ROWS * this.#width + slot * (SLOT_WORDS + SLOT_ROWS * this.#width);
  }

  headerRow(row: number): number {
    return HEADER_WORDS + row * this.#width;
  }

  slotRow(slot: number, row: number): number {
    return this.record(slot) + SLOT_WORDS + row * this.#width;
  }

  /** All rows of counts. */
  rows(): readonly number[] {
    const rows: number[] = [];
    for (let row = 0; row < HEADER_ROWS; row += 1) rows.push(this.headerRow(row));
    for (let slot = 0; slot < this.#slots; slot += 1) {
      for (let row = 0; row < SLOT_ROWS; row += 1) rows.push(this.slotRow(slot, row));
    }
    return rows;
  }
}
