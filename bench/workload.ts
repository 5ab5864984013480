/** How a unit of work gets its connection. */
export type ConnectionUse = 'new' | 'resumed' | 'kept' | 'idle';

export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly connection: ConnectionUse;
  /** Bytes of the body that goes up in a REQMOD and comes back in its reply; 0: one OPTIONS. */
  readonly bodyBytes: number;
  /** Units of work in one turn, over all load generators; for `idle`, connections. */
  readonly unitCount: number;
  /** Units under way at a time, over all load generators. */
  readonly concurrency: number;
  /** Times the work of one turn that each peer does before it counts. */
  readonly warmUp: number;
}

/** Enough for caches, tickets and pools. */
const WARM = 2;
/** Until a compiler that optimises while it runs has nothing left to do; where a unit is small, its work would be most of it. */
const STEADY = 16;

/** Counts are chosen so that a peer works for about half a second of CPU time in a turn: its clock ticks every 10 ms. */
export const WORKLOADS: readonly Workload[] = [
  {
    name: 'handshake',
    title: 'full handshake + 1 OPTIONS',
    connection: 'new',
    bodyBytes: 0,
    unitCount: 500,
    concurrency: 16,
    warmUp: WARM,
  },
  {
    name: 'resumed',
    title: 'resumed handshake + 1 OPTIONS',
    connection: 'resumed',
    bodyBytes: 0,
    unitCount: 1_000,
    concurrency: 16,
    warmUp: WARM,
  },
  {
    name: 'once',
    title: 'full handshake + 1 KB transaction',
    connection: 'new',
    bodyBytes: 1_024,
    unitCount: 500,
    concurrency: 16,
    warmUp: WARM,
  },
  {
    name: 'once-resumed',
    title: 'resumed handshake + 1 KB transaction',
    connection: 'resumed',
    bodyBytes: 1_024,
    unitCount: 1_000,
    concurrency: 16,
    warmUp: WARM,
  },
  {
    name: '1k',
    title: '1 KB transaction',
    connection: 'kept',
    bodyBytes: 1_024,
    unitCount: 15_000,
    concurrency: 32,
    warmUp: STEADY,
  },
  {
    name: 'calm',
    title: '1 KB transaction, 2 users',
    connection: 'kept',
    bodyBytes: 1_024,
    unitCount: 5_000,
    concurrency: 2,
    warmUp: WARM,
  },
  {
    name: '100k',
    title: '100 KB transaction',
    connection: 'kept',
    bodyBytes: 100 * 1_024,
    unitCount: 3_000,
    concurrency: 16,
    warmUp: WARM,
  },
  {
    name: '8m',
    title: '8 MB transaction',
    connection: 'kept',
    bodyBytes: 8 * 1_024 * 1_024,
    unitCount: 60,
    concurrency: 4,
    warmUp: WARM,
  },
  {
    name: 'idle',
    title: 'idle connections',
    connection: 'idle',
    bodyBytes: 0,
    unitCount: 2_000,
    concurrency: 16,
    warmUp: 0.5,
  },
];

/** The same workload with less of it; what is measured then is rougher. */
export function reduced(workload: Workload, divisor: number): Workload {
  if (workload.connection === 'idle') return workload;
  return { ...workload, unitCount: Math.ceil(workload.unitCount / divisor) };
}
