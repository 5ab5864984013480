import { createHash } from 'node:crypto';

/** Looked at for one name; the oldest makes way. They are locked together. */
const BUCKET_ENTRIES = 8;
const KEY_BYTES = 32;
/** A session of TLS 1.3 holds the certificates of the other side: about 2 KiB, and twice that with RSA 4096. */
const DATA_BYTES = 8192;
/** When it was stored, its length, its key, itself. */
const ENTRY_BYTES = 8 + 8 + KEY_BYTES + DATA_BYTES;
const BUCKET_BYTES = 8 + BUCKET_ENTRIES * ENTRY_BYTES;
/** Whoever holds a bucket copies a few kilobytes; so many looks are some hundred times as long. */
const MAX_LOOKS = 10_000;
const UNLOCKED = 0;
const LOCKED = 1;

/** Memory for about so many sessions, taken by the page as they come. Made once, on the main thread. */
export function createSharedSessions(entryCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.ceil(entryCount / BUCKET_ENTRIES) * BUCKET_BYTES);
}

/**
 * Sessions that every worker finds, by name. Small and forgetful: what does not fit, or is held by a worker that was
 * terminated at that moment, is not there, and costs a full handshake.
 */
export class SharedSessions {
  readonly #buffer: SharedArrayBuffer;
  readonly #bucketCount: number;

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer;
    this.#bucketCount = buffer.byteLength / BUCKET_BYTES;
  }

  /** A copy of what was stored last under this name. */
  get(name: string): Buffer | undefined {
    const key = keyOf(name);
    return this.#inBucket(key, (entries) => {
      const entry = entries.find((each) => each.has(key));
      return entry === undefined ? undefined : Buffer.from(entry.data);
    });
  }

  /** Longer ones than 8 KiB are not kept. */
  set(name: string, data: Uint8Array): void {
    const key = keyOf(name);
    this.#inBucket(key, (entries) => {
      const oldest = entries.reduce((a, b) => (b.storedMs < a.storedMs ? b : a));
      const entry = entries.find((each) => each.has(key)) ?? oldest;
      if (data.length <= DATA_BYTES) entry.fill(key, data, Date.now());
      else if (entry.has(key)) entry.clear();
    });
  }

  delete(name: string): void {
    const key = keyOf(name);
    this.#inBucket(key, (entries) => {
      for (const entry of entries) if (entry.has(key)) entry.clear();
    });
  }

  #inBucket<T>(key: Buffer, use: (entries: readonly Entry[]) => T): T | undefined {
    const start = (key.readUInt32LE(0) % this.#bucketCount) * BUCKET_BYTES;
    const lock = new Int32Array(this.#buffer, start, 1);
    for (let looks = 0; Atomics.compareExchange(lock, 0, UNLOCKED, LOCKED) !== UNLOCKED; looks += 1) {
      if (looks === MAX_LOOKS) return undefined;
    }
    try {
      return use(
        Array.from({ length: BUCKET_ENTRIES }, (_, i) => new Entry(this.#buffer, start + 8 + i * ENTRY_BYTES)),
      );
    } finally {
      Atomics.store(lock, 0, UNLOCKED);
    }
  }
}

function keyOf(name: string): Buffer {
  return createHash('sha256').update(name).digest();
}

class Entry {
  readonly #storedMs: Float64Array;
  readonly #length: Int32Array;
  readonly #key: Uint8Array;
  readonly #data: Uint8Array;

  constructor(buffer: SharedArrayBuffer, start: number) {
    this.#storedMs = new Float64Array(buffer, start, 1);
    this.#length = new Int32Array(buffer, start + 8, 1);
    this.#key = new Uint8Array(buffer, start + 16, KEY_BYTES);
    this.#data = new Uint8Array(buffer, start + 16 + KEY_BYTES, DATA_BYTES);
  }

  /** 0 where nothing is stored. */
  get storedMs(): number {
    return this.#storedMs[0] ?? 0;
  }

  get data(): Uint8Array {
    return this.#data.subarray(0, this.#length[0]);
  }

  has(key: Buffer): boolean {
    return this.storedMs !== 0 && key.equals(this.#key);
  }

  fill(key: Buffer, data: Uint8Array, nowMs: number): void {
    this.#storedMs[0] = nowMs;
    this.#length[0] = data.length;
    this.#key.set(key);
    this.#data.set(data);
  }

  clear(): void {
    this.#storedMs[0] = 0;
    this.#data.fill(0);
  }
}
