import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { releaseWorkerSources, SourceLimits } from '../../src/policy/source-limits.ts';
import { createSourceTable, SourceTable, type SourceTableMemory } from '../../src/policy/source-table.ts';
import type { SourceLimitsWork } from '../_util/source-limits-worker.ts';

const ADDRESS = '192.0.2.1';
const WORKERS = 4;

function memoryOf(): SourceTableMemory {
  // One worker more than the threads use: the test itself looks through the last index.
  return createSourceTable({ workerCount: WORKERS + 1, entryCount: 64 });
}

function start(memory: SourceTableMemory, work: Pick<SourceLimitsWork, 'task' | 'limit' | 'attempts'>) {
  const gate = new SharedArrayBuffer(4);
  const workers = Array.from({ length: WORKERS }, (_, workerIndex) => {
    const workerData: SourceLimitsWork = { memory, workerIndex, gate, address: ADDRESS, ...work };
    return new Worker(new URL('../_util/source-limits-worker.ts', import.meta.url), { workerData });
  });
  return { workers, gate };
}

/** What each of the threads reports, all let go at the same moment. */
async function race(
  memory: SourceTableMemory,
  work: Pick<SourceLimitsWork, 'task' | 'limit' | 'attempts'>,
): Promise<number[]> {
  const { workers, gate } = start(memory, work);
  const reports = workers.map(async (worker) => {
    const exit = once(worker, 'exit');
    const [taken] = await once(worker, 'message');
    await exit;
    return Number(taken);
  });
  await Promise.all(workers.map((worker) => once(worker, 'online')));
  Atomics.store(new Int32Array(gate), 0, 1);
  Atomics.notify(new Int32Array(gate), 0);
  return Promise.all(reports);
}

const sum = (counts: number[]): number => counts.reduce((total, count) => total + count, 0);

test('threads that race for one source get exactly its limit between them', async () => {
  const memory = memoryOf();
  const taken = await race(memory, { task: 'acquire', limit: 1_500, attempts: 1_000 });
  expect(sum(taken)).toBe(1_500);
  const observer = new SourceLimits({ memory, workerIndex: WORKERS, scope: 'mcas' });
  expect(observer.acquire(ADDRESS, 1_500)).toBe(false);
  releaseWorkerSources(
    memory,
    taken.findIndex((count) => count > 0),
  );
  expect(observer.acquire(ADDRESS, 1_500)).toBe(true);
});

test('threads that race for handshakes get exactly one second of them', async () => {
  expect(sum(await race(memoryOf(), { task: 'take-handshakes', limit: 777, attempts: 500 }))).toBe(777);
});

test('nothing is lost or left over after thousands of connections that came and went', async () => {
  const memory = memoryOf();
  expect(sum(await race(memory, { task: 'churn', limit: 2, attempts: 3_000 }))).toBeGreaterThan(0);
  const observer = new SourceLimits({ memory, workerIndex: WORKERS, scope: 'mcas' });
  expect([1, 2, 3].map(() => observer.acquire(ADDRESS, 2))).toEqual([true, true, false]);
});

test('a bucket locked by a thread that died is waited for, and opens when the thread is given up', async () => {
  const memory = memoryOf();
  const table = new SourceTable(memory);
  for (let bucket = 0; bucket < table.bucketCount; bucket += 1) table.lock(bucket, WORKERS);
  const { workers, gate } = start(memory, { task: 'acquire', limit: 1, attempts: 1 });
  const reports = workers.map(async (worker) => Number((await once(worker, 'message'))[0]));
  await Promise.all(workers.map((worker) => once(worker, 'online')));
  Atomics.store(new Int32Array(gate), 0, 1);
  Atomics.notify(new Int32Array(gate), 0);
  // Whoever is woken finds the lock closed and waits again.
  const locks = new Int32Array(memory.buffer, memory.buffer.byteLength - 4 * table.bucketCount);
  await expect.poll(() => sum(Array.from(locks, (_, bucket) => Atomics.notify(locks, bucket)))).toBeGreaterThan(0);
  releaseWorkerSources(memory, WORKERS);
  expect(sum(await Promise.all(reports))).toBe(1);
});
