import { hash } from 'node:crypto';
import { BUCKET_ENTRIES, SourceTable, type SourceTableMemory } from './source-table.ts';

/** What sums of fractions of a second may be off by. */
const ROUNDING_MS = 0.001;

export interface SourceLimitsOptions {
  readonly memory: SourceTableMemory;
  /** 0 to `workerCount - 1`; one worker at a time writes under an index. */
  readonly workerIndex: number;
  /** Counts are kept apart by scope (the service), so that one table serves all services and survives a reload. */
  readonly scope: string;
}

/**
 * Connections and handshakes per source address, exact across workers. A source is an IPv4 address or an IPv6 /64, which
 * is what one customer gets.
 *
 * Memory is fixed. Where a bucket has no place left, the source whose schedule is oldest and that has no connection
 * is forgotten; where all eight hold connections, the limits per source let the newcomer through uncounted: the
 * service's own limit still holds, and the random seed keeps a stranger from aiming at a bucket.
 */
export class SourceLimits {
  readonly #table: SourceTable;
  readonly #workerIndex: number;
  readonly #hashPrefix: string;

  constructor(options: SourceLimitsOptions) {
    this.#table = new SourceTable(options.memory);
    this.#workerIndex = options.workerIndex;
    this.#hashPrefix = `${Buffer.from(this.#table.seed).toString('hex')} ${options.scope} `;
  }

  /** Counts one more connection unless the source has `limit` already. Each true is followed by one `release`. */
  acquire(address: string, limit: number): boolean {
    return this.#inBucket(address, (bucket, key) => {
      const entry = this.#findOrClaim(bucket, key);
      if (entry === undefined) return true;
      if (this.#table.connectionsOf(entry) >= limit) return false;
      this.#addConnections(entry, 1);
      return true;
    });
  }

  release(address: string): void {
    this.#inBucket(address, (bucket, key) => {
      const entry = this.#find(bucket, key);
      if (entry !== undefined && this.#ownConnections(entry) > 0) this.#addConnections(entry, -1);
    });
  }

  /**
   * Whether the source may begin a handshake: `ratePerSecond` at once, then one each time a share of a second is over.
   * `nowMs` comes from a clock that all workers share and nobody sets, such as `process.hrtime()`.
   */
  takeHandshake(address: string, ratePerSecond: number, nowMs: number): boolean {
    return this.#inBucket(address, (bucket, key) => {
      const entry = this.#findOrClaim(bucket, key);
      if (entry === undefined) return true;
      const intervalMs = 1000 / ratePerSecond;
      const dueMs = Math.max(this.#table.dueMs[entry] ?? 0, nowMs);
      if (dueMs + intervalMs - nowMs > 1000 + ROUNDING_MS) return false;
      this.#table.dueMs[entry] = dueMs + intervalMs;
      return true;
    });
  }

  /** Nothing in `work` may wait, throw or allocate much: every other worker's source in this bucket waits for it. */
  #inBucket<T>(address: string, work: (bucket: number, key: bigint) => T): T {
    const digest = hash('sha256', this.#hashPrefix + sourceOf(address), 'buffer');
    const key = digest.readBigUInt64LE(0) || 1n;
    const bucket = digest.readUInt32LE(8) % this.#table.bucketCount;
    this.#table.lock(bucket, this.#workerIndex);
    try {
      return work(bucket, key);
    } finally {
      this.#table.unlock(bucket);
    }
  }

  #find(bucket: number, key: bigint): number | undefined {
    const first = bucket * BUCKET_ENTRIES;
    for (let entry = first; entry < first + BUCKET_ENTRIES; entry += 1) {
      if (this.#table.keys[entry] === key) return entry;
    }
    return undefined;
  }

  #findOrClaim(bucket: number, key: bigint): number | undefined {
    const found = this.#find(bucket, key) ?? this.#oldestIdle(bucket);
    if (found !== undefined && this.#table.keys[found] !== key) {
      this.#table.dueMs[found] = 0;
      this.#table.keys[found] = key;
    }
    return found;
  }

  /** Entries never used have a schedule of 0 and are thus taken first. */
  #oldestIdle(bucket: number): number | undefined {
    const first = bucket * BUCKET_ENTRIES;
    let oldest: number | undefined;
    let oldestMs = Number.POSITIVE_INFINITY;
    for (let entry = first; entry < first + BUCKET_ENTRIES; entry += 1) {
      const dueMs = this.#table.dueMs[entry] ?? 0;
      if (dueMs >= oldestMs || this.#table.connectionsOf(entry) > 0) continue;
      oldest = entry;
      oldestMs = dueMs;
    }
    return oldest;
  }

  #ownConnections(entry: number): number {
    return this.#table.connections[this.#ownCell(entry)] ?? 0;
  }

  #addConnections(entry: number, change: 1 | -1): void {
    const cell = this.#ownCell(entry);
    this.#table.connections[cell] = (this.#table.connections[cell] ?? 0) + change;
  }

  #ownCell(entry: number): number {
    return entry * this.#table.workerCount + this.#workerIndex;
  }
}

/** Gives back everything a dead worker held. Called after its exit and before its index is used again. */
export function releaseWorkerSources(memory: SourceTableMemory, workerIndex: number): void {
  const table = new SourceTable(memory);
  for (let cell = workerIndex; cell < table.connections.length; cell += table.workerCount) {
    Atomics.store(table.connections, cell, 0);
  }
  table.unlockAllOf(workerIndex);
}

function sourceOf(address: string): string {
  const [unscoped = ''] = address.split('%', 1);
  if (!unscoped.includes(':')) return unscoped;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(unscoped);
  return mapped?.[1] ?? network64(unscoped);
}

function network64(address: string): string {
  const [head = '', tail = ''] = address.split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail.split(':').filter(Boolean);
  // An IPv4 address at the end stands for two groups.
  const groupCount = right.at(-1)?.includes('.') ? 7 : 8;
  const zeros = Array.from({ length: groupCount - left.length - right.length }, () => '0');
  const groups = [...left, ...zeros, ...right].slice(0, 4);
  return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}
