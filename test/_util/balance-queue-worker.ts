import { setImmediate as turn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { createPolicy } from '../../src/balance/create-policy.ts';
import type { Member } from '../../src/balance/policy.ts';
import { PoolState } from '../../src/balance/pool-state.ts';
import { type Picked, Selector } from '../../src/balance/selector.ts';
import { seededRandom } from './health-random.ts';

/** What a thread of the crowd is told. */
export interface CrowdOrder {
  readonly buffer: SharedArrayBuffer;
  /** Per slot: who has a place now, and the most that ever had. */
  readonly witness: SharedArrayBuffer;
  readonly worker: number;
  readonly members: readonly Member[];
  readonly clients: number;
  readonly rounds: number;
}

/** What it reports: how many places its clients got, and how many of those they had to wait for. */
export interface CrowdReport {
  readonly served: number;
  readonly waited: number;
}

const { buffer, witness, worker, members, clients, rounds } = workerData as CrowdOrder;
const state = new PoolState(buffer);
const selector = new Selector({ policy: createPolicy('least-connections'), members, state, worker });
const seen = new Int32Array(witness);
const random = seededRandom(worker + 1);
const tried: ReadonlySet<number> = new Set();
let ownWaiters = 0;
let served = 0;
let waited = 0;
let isListening = false;

function pick(): Picked<Member> | undefined {
  const picked = selector.pick({ hashKey: '', tried, random });
  if (picked === undefined) throw new Error('all members are up, so somebody must be there');
  return picked === 'full' ? undefined : picked;
}

async function waitForPlace(): Promise<Picked<Member>> {
  if (!state.enqueue(1_000, worker)) throw new Error('the queue is larger than the crowd');
  ownWaiters += 1;
  waited += 1;
  for (;;) {
    const change = state.waitForChange();
    const picked = pick();
    if (picked !== undefined) {
      ownWaiters -= 1;
      state.dequeue(worker);
      return picked;
    }
    await change;
  }
}

/** While there are idle connections: gives them up when clients of other threads wait. */
async function listen(): Promise<void> {
  if (isListening) return;
  isListening = true;
  for (;;) {
    const change = state.waitForChange();
    const idle = members.filter(({ slot }) => state.hasIdle(slot, worker));
    if (idle.length === 0) break;
    if (state.queued() > ownWaiters) for (const { slot } of idle) state.dropIdle(slot, worker);
    else await change;
  }
  isListening = false;
}

function fail(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}

async function client(): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const { member } = pick() ?? (await waitForPlace());
    const [holding, most] = [member.slot * 2, member.slot * 2 + 1];
    const count = Atomics.add(seen, holding, 1) + 1;
    let before = Atomics.load(seen, most);
    while (count > before && Atomics.compareExchange(seen, most, before, count) !== before) {
      before = Atomics.load(seen, most);
    }
    if (random() < 0.5) await turn();
    served += 1;
    Atomics.sub(seen, holding, 1);
    if (random() < 0.5) {
      state.release(member.slot, worker);
    } else {
      state.giveIdle(member.slot, worker);
      listen().catch(fail);
    }
  }
}

// Waits for changes keep no thread alive.
const alive = setInterval(() => {}, 60_000);
await Promise.all(Array.from({ length: clients }, client));
clearInterval(alive);
parentPort?.postMessage({ served, waited } satisfies CrowdReport);
