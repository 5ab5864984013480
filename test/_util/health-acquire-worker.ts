import { parentPort, workerData } from 'node:worker_threads';
import { PoolState } from '../../src/balance/pool-state.ts';

/** What a thread of the race is told. */
export interface RaceOrder {
  readonly buffer: SharedArrayBuffer;
  /** Two counters besides the pool: who holds a place now, and the most that ever did. */
  readonly witness: SharedArrayBuffer;
  readonly worker: number;
  readonly limit: number;
  readonly rounds: number;
}

/** What it reports. `failures` are the streaks that recordFailure returned to it. */
export interface RaceReport {
  readonly taken: number;
  readonly failures: readonly number[];
}

const { buffer, witness, worker, limit, rounds } = workerData as RaceOrder;
const state = new PoolState(buffer);
const [HOLDING, MOST] = [0, 1];
const seen = new Int32Array(witness);
const failures: number[] = [];
let taken = 0;
for (let round = 0; round < rounds; round += 1) {
  if (state.acquire(0, limit, worker)) {
    const holding = Atomics.add(seen, HOLDING, 1) + 1;
    let most = Atomics.load(seen, MOST);
    while (holding > most && Atomics.compareExchange(seen, MOST, most, holding) !== most) {
      most = Atomics.load(seen, MOST);
    }
    taken += 1;
    Atomics.sub(seen, HOLDING, 1);
    state.release(0, worker);
  }
  failures.push(state.recordFailure(1));
}
// One place stays taken, as by a thread that ends with a connection open.
state.acquire(2, 0, worker);
parentPort?.postMessage({ taken, failures } satisfies RaceReport);
