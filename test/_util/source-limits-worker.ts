import { parentPort, workerData } from 'node:worker_threads';
import { SourceLimits } from '../../src/policy/source-limits.ts';
import type { SourceTableMemory } from '../../src/policy/source-table.ts';

export interface SourceLimitsWork {
  readonly memory: SourceTableMemory;
  readonly workerIndex: number;
  readonly task: 'acquire' | 'take-handshakes' | 'churn';
  readonly address: string;
  readonly limit: number;
  readonly attempts: number;
  /** Everybody starts when this turns 1. */
  readonly gate: SharedArrayBuffer;
}

const work = workerData as SourceLimitsWork;
const limits = new SourceLimits({ memory: work.memory, workerIndex: work.workerIndex, scope: 'mcas' });

/** Gives back what it took, so that another worker may have it: never more than `limit` are held at a time. */
function churn(): number {
  let taken = 0;
  for (let i = 0; i < work.attempts; i += 1) {
    if (!limits.acquire(work.address, work.limit)) continue;
    taken += 1;
    limits.release(work.address);
  }
  return taken;
}

function count(attempt: () => boolean): number {
  let taken = 0;
  for (let i = 0; i < work.attempts; i += 1) taken += Number(attempt());
  return taken;
}

function run(): number {
  switch (work.task) {
    case 'acquire':
      return count(() => limits.acquire(work.address, work.limit));
    case 'take-handshakes':
      return count(() => limits.takeHandshake(work.address, work.limit, 1_000_000));
    case 'churn':
      return churn();
  }
}

Atomics.wait(new Int32Array(work.gate), 0, 0);
parentPort?.postMessage(run());
