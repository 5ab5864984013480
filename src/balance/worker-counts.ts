/**
 * Counts kept as rows of one cell per worker, and read as the sum of a row. A worker touches only its own cells, so what
 * a worker held when it died is known exactly, wherever it was cut off. One more cell of each row is the main thread's:
 * what sessions of an earlier configuration still hold.
 */
export class WorkerCounts {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #workers: number;

  constructor(words: Int32Array<SharedArrayBuffer>, workers: number) {
    this.#words = words;
    this.#workers = workers;
  }

  /** How many cells a row has. */
  static widthFor(workers: number): number {
    return workers + 1;
  }

  sum(row: number): number {
    return this.sumOfWorkers(row) + Atomics.load(this.#words, row + this.#workers);
  }

  /** The sum without what was carried over. */
  sumOfWorkers(row: number): number {
    let sum = 0;
    for (let worker = 0; worker < this.#workers; worker += 1) sum += Atomics.load(this.#words, row + worker);
    return sum;
  }

  /** Sets the main thread's cell. */
  carry(row: number, count: number): void {
    Atomics.store(this.#words, row + this.#workers, count);
  }

  of(row: number, worker: number): number {
    return Atomics.load(this.#words, this.#cell(row, worker));
  }

  add(row: number, worker: number): void {
    Atomics.add(this.#words, this.#cell(row, worker), 1);
  }

  /** As `add`, unless that makes more than `limit` (0: no limit). Two that race for the last place may both be refused. */
  tryAdd(row: number, worker: number, limit: number): boolean {
    const cell = this.#cell(row, worker);
    Atomics.add(this.#words, cell, 1);
    // Whoever counts last sees everybody who counted before and still holds, so the sum cannot hide an excess.
    if (limit === 0 || this.sum(row) <= limit) return true;
    Atomics.sub(this.#words, cell, 1);
    return false;
  }

  subtract(row: number, worker: number): void {
    const cell = this.#cell(row, worker);
    if (Atomics.load(this.#words, cell) === 0) throw new RangeError('gave back what was not taken');
    Atomics.sub(this.#words, cell, 1);
  }

  clear(row: number, worker: number): void {
    Atomics.store(this.#words, this.#cell(row, worker), 0);
  }

  #cell(row: number, worker: number): number {
    if (!(worker >= 0 && worker < this.#workers)) throw new RangeError(`no worker ${worker} of ${this.#workers}`);
    return row + worker;
  }
}
