import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchCertificates } from './certificates.ts';
import { LoadProcess } from './child.ts';
import type { LoadResult } from './load/protocol.ts';
import type { Peer } from './peer/peer.ts';
import { type RunningPeer, startPeer } from './peer/start.ts';
import { refusesStrangers } from './peer/stranger.ts';
import { cpuTimeOf, proportionalKib } from './process-tree.ts';
import { percentile } from './statistics.ts';
import type { Workload } from './workload.ts';

/** What one peer did with one workload in one turn. */
export interface Sample {
  readonly peer: string;
  readonly workload: string;
  /** Over all rounds: what has the same number was measured right after one another. */
  readonly turn: number;
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
  readonly folder: string;
  readonly backendPort: number;
  readonly certificates: BenchCertificates;
}

const LOAD_PROCESSES = 2;
/** After which handshakes, tickets and buffers of the last connections have settled. */
const SETTLE_MS = 300;

/** A peer that was started afresh and is warm. Disposing ends it and its clients. */
export class Contender implements AsyncDisposable {
  readonly #running: RunningPeer;
  readonly #loads: readonly LoadProcess[];
  readonly #peer: Peer;
  readonly #workload: Workload;

  private constructor({ peer, workload }: MeasureOptions, running: RunningPeer, loads: readonly LoadProcess[]) {
    this.#peer = peer;
    this.#workload = workload;
    this.#running = running;
    this.#loads = loads;
  }

  /** Starts the peer and warms it up. Throws where it does not verify clients. */
  static async start(options: MeasureOptions): Promise<Contender> {
    const { peer, workload, certificates, folder } = options;
    const running = await startPeer({ ...options, parentFolder: folder });
    const loads = Array.from({ length: LOAD_PROCESSES }, () => new LoadProcess());
    const contender = new Contender(options, running, loads);
    try {
      if (!(await refusesStrangers(running.port, certificates.ca))) {
        throw new Error(`${peer.name} lets clients in without a certificate; what it saves would not be its merit`);
      }
      const share = shareOf(workload);
      const order = {
        port: running.port,
        caFile: certificates.ca,
        certFile: certificates.clientCert,
        keyFile: certificates.clientKey,
        workload: share,
        warmUpCount: Math.max(share.concurrency, Math.ceil(share.unitCount * share.warmUp)),
      };
      await Promise.all(loads.map((load) => load.prepare(order)));
      await delay(SETTLE_MS);
      return contender;
    } catch (error) {
      await contender[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Works the peer for one turn. Nothing of it is under way any more when that is over. */
  async measure(turn: number): Promise<Sample> {
    const { pid, startMs } = this.#running;
    const share = shareOf(this.#workload);
    const memoryBeforeKib = proportionalKib(pid);
    const cpuBefore = cpuTimeOf(pid);
    const startedMs = performance.now();
    const results = await Promise.all(this.#loads.map((load) => load.measure()));
    const elapsedMs = performance.now() - startedMs;
    const cpuAfter = cpuTimeOf(pid);
    await delay(SETTLE_MS);
    const unitCount = share.unitCount * LOAD_PROCESSES;
    return {
      peer: this.#peer.name,
      workload: this.#workload.name,
      turn,
      startMs,
      cpuUserUs: ((cpuAfter.userMs - cpuBefore.userMs) * 1_000) / unitCount,
      cpuSystemUs: ((cpuAfter.systemMs - cpuBefore.systemMs) * 1_000) / unitCount,
      unitsPerSecond: (unitCount * 1_000) / elapsedMs,
      ...latencyOf(results),
      resumedShare: results.reduce((sum, result) => sum + result.resumedCount, 0) / unitCount,
      memoryBeforeKib,
      memoryAfterKib: proportionalKib(pid),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const load of this.#loads) load[Symbol.dispose]();
    await this.#running[Symbol.asyncDispose]();
  }
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
