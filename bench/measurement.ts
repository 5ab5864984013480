import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchCertificates } from './certificates.ts';
import { LoadProcess } from './child.ts';
import type { LoadResult } from './load/protocol.ts';
import type { Peer } from './peer/peer.ts';
import { startPeer } from './peer/start.ts';
import { refusesStrangers } from './peer/stranger.ts';
import { cpuTimeOf, proportionalKib } from './process-tree.ts';
import { percentile } from './statistics.ts';
import type { Workload } from './workload.ts';

/** What one peer did with one workload in one round. */
export interface Sample {
  readonly peer: string;
  readonly workload: string;
  readonly round: number;
  readonly startMs: number;
  /** CPU time of the peer's process tree for one unit of work. */
  readonly cpuUserUs: number;
  readonly cpuSystemUs: number;
  readonly unitsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Part of the units whose connection was resumed. */
  readonly resumedShare: number;
  /** Memory (PSS) of the tree after warming up, and after the work with what is held still open. */
  readonly memoryBeforeKib: number;
  readonly memoryAfterKib: number;
}

export interface MeasureOptions {
  readonly peer: Peer;
  readonly workload: Workload;
  readonly round: number;
  readonly folder: string;
  readonly backendPort: number;
  readonly certificates: BenchCertificates;
}

const LOAD_PROCESSES = 2;
/** After which handshakes, tickets and buffers of the last connections have settled. */
const SETTLE_MS = 300;

/** Starts the peer afresh, warms it up, works it and ends it. Nothing of one measurement reaches the next. */
export async function measure(options: MeasureOptions): Promise<Sample> {
  const { peer, workload, certificates } = options;
  await using running = await startPeer({ ...options, parentFolder: options.folder });
  if (!(await refusesStrangers(running.port, certificates.ca))) {
    throw new Error(`${peer.name} lets clients in without a certificate; what it saves would not be its merit`);
  }
  using loads = startLoads();
  const share = shareOf(workload);
  await Promise.all(
    loads.processes.map((load) =>
      load.prepare({
        port: running.port,
        caFile: certificates.ca,
        certFile: certificates.clientCert,
        keyFile: certificates.clientKey,
        workload: share,
        warmUpCount: Math.max(share.concurrency, Math.ceil(share.unitCount * share.warmUp)),
      }),
    ),
  );
  await delay(SETTLE_MS);
  const memoryBeforeKib = proportionalKib(running.pid);
  const cpuBefore = cpuTimeOf(running.pid);
  const startedMs = performance.now();
  const results = await Promise.all(loads.processes.map((load) => load.measure()));
  const elapsedMs = performance.now() - startedMs;
  const cpuAfter = cpuTimeOf(running.pid);
  await delay(SETTLE_MS);
  const unitCount = share.unitCount * LOAD_PROCESSES;
  return {
    peer: peer.name,
    workload: workload.name,
    round: options.round,
    startMs: running.startMs,
    cpuUserUs: ((cpuAfter.userMs - cpuBefore.userMs) * 1_000) / unitCount,
    cpuSystemUs: ((cpuAfter.systemMs - cpuBefore.systemMs) * 1_000) / unitCount,
    unitsPerSecond: (unitCount * 1_000) / elapsedMs,
    ...latencyOf(results),
    resumedShare: results.reduce((sum, result) => sum + result.resumedCount, 0) / unitCount,
    memoryBeforeKib,
    memoryAfterKib: proportionalKib(running.pid),
  };
}

function startLoads(): Disposable & { readonly processes: readonly LoadProcess[] } {
  const processes = Array.from({ length: LOAD_PROCESSES }, () => new LoadProcess());
  return {
    processes,
    [Symbol.dispose]: () => {
      for (const load of processes) load[Symbol.dispose]();
    },
  };
}

function shareOf(workload: Workload): Workload {
  return {
    ...workload,
    unitCount: Math.ceil(workload.unitCount / LOAD_PROCESSES),
    concurrency: Math.ceil(workload.concurrency / LOAD_PROCESSES),
  };
}

function latencyOf(results: readonly LoadResult[]): { p50Ms: number; p99Ms: number } {
  const all = Float64Array.from(results.flatMap((result) => [...result.latenciesMs])).sort();
  return { p50Ms: percentile(all, 0.5), p99Ms: percentile(all, 0.99) };
}
