import { type CounterLayout, SERVICE_SLOT_COUNT, SERVICE_SLOTS } from './counters.ts';
import {
  BACKEND_RESULTS,
  type BackendResult,
  CLOSE_REASONS,
  type CloseReason,
  type Direction,
  HANDSHAKE_BUCKETS_SECONDS,
  HANDSHAKE_FAILURES,
  HANDSHAKE_VERSIONS,
  type HandshakeFailure,
  type HandshakeVersion,
  REJECT_REASONS,
  type RejectReason,
} from './labels.ts';

/** A histogram as Prometheus wants it: `cumulative[i]` observations were at most the i-th bound. */
export interface HistogramTotals {
  readonly cumulative: readonly number[];
  readonly count: number;
  readonly sum: number;
}

/**
 * Reads what all workers have counted, at the moment of the call. Nothing is locked: two numbers read one after the
 * other may be an event apart, and none ever goes back.
 */
export class CounterTotals {
  readonly #layout: CounterLayout;
  readonly #slots: Float64Array;

  constructor(layout: CounterLayout, buffer: SharedArrayBuffer) {
    this.#layout = layout;
    this.#slots = new Float64Array(buffer);
  }

  accepted(service: number): number {
    return this.#sum(service, SERVICE_SLOTS.accepted);
  }

  closed(service: number, reason: CloseReason): number {
    return this.#sum(service, SERVICE_SLOTS.closed + CLOSE_REASONS.indexOf(reason));
  }

  rejected(service: number, reason: RejectReason): number {
    return this.#sum(service, SERVICE_SLOTS.rejected + REJECT_REASONS.indexOf(reason));
  }

  bytes(service: number, direction: Direction): number {
    return this.#sum(service, SERVICE_SLOTS[direction]);
  }

  handshakes(service: number, version: HandshakeVersion, resumed: boolean): number {
    return this.#sum(service, SERVICE_SLOTS.handshakes + HANDSHAKE_VERSIONS.indexOf(version) * 2 + Number(resumed));
  }

  handshakeFailures(service: number, reason: HandshakeFailure): number {
    return this.#sum(service, SERVICE_SLOTS.handshakeFailures + HANDSHAKE_FAILURES.indexOf(reason));
  }

  handshakeSeconds(service: number): HistogramTotals {
    const cumulative: number[] = [];
    let count = 0;
    for (let bucket = 0; bucket <= HANDSHAKE_BUCKETS_SECONDS.length; bucket += 1) {
      count += this.#sum(service, SERVICE_SLOTS.handshakeBuckets + bucket);
      if (bucket < HANDSHAKE_BUCKETS_SECONDS.length) cumulative.push(count);
    }
    return { cumulative, count, sum: this.#sum(service, SERVICE_SLOTS.handshakeSecondsSum) };
  }

  lastResort(service: number): number {
    return this.#sum(service, SERVICE_SLOTS.lastResort);
  }

  backendAttempts(service: number, backend: number, result: BackendResult): number {
    const start = this.#layout.backendStart[service] ?? Number.NaN;
    return this.#sumOfSlot(start + backend * BACKEND_RESULTS.length + BACKEND_RESULTS.indexOf(result));
  }

  #sum(service: number, slot: number): number {
    return this.#sumOfSlot(service * SERVICE_SLOT_COUNT + slot);
  }

  #sumOfSlot(slot: number): number {
    let total = 0;
    for (let worker = 0; worker < this.#layout.workers; worker += 1) {
      total += this.#slots[worker * this.#layout.sliceSlots + slot] ?? 0;
    }
    return total;
  }
}
