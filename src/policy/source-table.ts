import { randomBytes } from 'node:crypto';

/** Entries looked at for one source: a bucket is locked as a whole and never overflows into the next one. */
export const BUCKET_ENTRIES = 8;
const SEED_BYTES = 16;
const UNLOCKED = 0;

export interface SourceTableOptions {
  readonly workerCount: number;
  /** Sources that can be told apart at a time; a power of two, at least 8. 65536 cost about 1 MiB and 256 KiB per worker. */
  readonly entryCount: number;
}

/** What a worker needs to take part: plain data for `workerData`. The buffer is shared, not copied. */
export interface SourceTableMemory extends SourceTableOptions {
  readonly buffer: SharedArrayBuffer;
}

/** Called once, on the main thread. Memory is taken by the page as sources appear. */
export function createSourceTable(options: SourceTableOptions): SourceTableMemory {
  const { workerCount, entryCount } = options;
  const bucketCount = entryCount / BUCKET_ENTRIES;
  const buffer = new SharedArrayBuffer(SEED_BYTES + entryCount * (8 + 8 + 4 * workerCount) + 4 * bucketCount);
  new Uint8Array(buffer, 0, SEED_BYTES).set(randomBytes(SEED_BYTES));
  return { ...options, buffer };
}

/**
 * The shared memory behind the limits per source, cut into columns. A bucket's lock makes everything in it exact;
 * connections are counted per worker, so that what a dead worker held can be given back.
 */
export class SourceTable {
  readonly seed: Uint8Array;
  readonly bucketCount: number;
  readonly workerCount: number;
  /** Hash of the source; 0: never used. */
  readonly keys: BigUint64Array;
  /** When the next handshake would be exactly on schedule, in the caller's milliseconds. */
  readonly dueMs: Float64Array;
  /** `workerCount` counts for each entry. */
  readonly connections: Int32Array;
  /** Per bucket: 0, or 1 + the worker that holds it. */
  readonly #locks: Int32Array;

  constructor(memory: SourceTableMemory) {
    const { buffer, workerCount, entryCount } = memory;
    let offset = 0;
    const take = (bytes: number): number => {
      offset += bytes;
      return offset - bytes;
    };
    this.bucketCount = entryCount / BUCKET_ENTRIES;
    this.workerCount = workerCount;
    this.seed = new Uint8Array(buffer, take(SEED_BYTES), SEED_BYTES);
    this.keys = new BigUint64Array(buffer, take(8 * entryCount), entryCount);
    this.dueMs = new Float64Array(buffer, take(8 * entryCount), entryCount);
    this.connections = new Int32Array(buffer, take(4 * entryCount * workerCount), entryCount * workerCount);
    this.#locks = new Int32Array(buffer, take(4 * this.bucketCount), this.bucketCount);
  }

  /** Waits for the bucket. Whoever holds one does a few dozen memory accesses and nothing else. */
  lock(bucket: number, workerIndex: number): void {
    const mine = workerIndex + 1;
    for (;;) {
      const holder = Atomics.compareExchange(this.#locks, bucket, UNLOCKED, mine);
      if (holder === UNLOCKED) return;
      Atomics.wait(this.#locks, bucket, holder);
    }
  }

  unlock(bucket: number): void {
    Atomics.store(this.#locks, bucket, UNLOCKED);
    // Everybody: a single one might be a worker that is being terminated, and the wake-up would be lost with it.
    Atomics.notify(this.#locks, bucket);
  }

  /** Opens what a worker held when it died; its neighbours may be waiting for it. */
  unlockAllOf(workerIndex: number): void {
    for (let bucket = 0; bucket < this.bucketCount; bucket += 1) {
      if (Atomics.load(this.#locks, bucket) === workerIndex + 1) this.unlock(bucket);
    }
  }

  connectionsOf(entry: number): number {
    let sum = 0;
    for (let i = entry * this.workerCount; i < (entry + 1) * this.workerCount; i += 1) sum += this.connections[i] ?? 0;
    return sum;
  }
}
