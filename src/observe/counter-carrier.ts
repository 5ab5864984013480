import { type CounterLayout, SERVICE_SLOT_COUNT, sliceCount } from './counters.ts';
import { answerSlot, icapSlotCount } from './icap-slots.ts';
import { BACKEND_RESULTS, ICAP_METHODS, ICAP_STATUSES } from './labels.ts';

/** Counters and the memory they are in. */
export interface Counters {
  readonly layout: CounterLayout;
  readonly buffer: SharedArrayBuffer;
}

/**
 * Moves what was counted under one configuration over to the next, by the names of services and backends: totals must
 * not go back when a configuration changes. Sessions of the old one go on counting in its memory, so it is called again
 * until they are gone. What has no name in the new configuration is left behind.
 */
export class CounterCarrier {
  readonly #from: Float64Array;
  readonly #fromLayout: CounterLayout;
  readonly #to: Float64Array;
  /** Pairs of slots: of the old layout, and of the new memory. */
  readonly #pairs: readonly (readonly [from: number, to: number])[];
  readonly #moved: Float64Array;

  /** `later`: what has been counted until now is there already. */
  constructor(from: Counters, to: Counters, what: 'all' | 'later' = 'all') {
    this.#from = new Float64Array(from.buffer);
    this.#fromLayout = from.layout;
    this.#to = new Float64Array(to.buffer);
    const base = to.layout.workers * to.layout.sliceSlots;
    this.#pairs = pairsOf(from.layout, to.layout).map(([old, next]) => [old, base + next]);
    this.#moved = new Float64Array(from.layout.sliceSlots);
    if (what === 'later') for (const [slot] of this.#pairs) this.#moved[slot] = this.#totalOf(slot);
  }

  /** Moves what was counted since the last call. */
  carry(): void {
    for (const [from, to] of this.#pairs) {
      const total = this.#totalOf(from);
      const delta = total - (this.#moved[from] ?? 0);
      if (delta === 0) continue;
      this.#to[to] = (this.#to[to] ?? 0) + delta;
      this.#moved[from] = total;
    }
  }

  #totalOf(slot: number): number {
    const { sliceSlots } = this.#fromLayout;
    let total = 0;
    for (let slice = 0; slice < sliceCount(this.#fromLayout); slice += 1) {
      total += this.#from[slice * sliceSlots + slot] ?? 0;
    }
    return total;
  }
}

function pairsOf(from: CounterLayout, to: CounterLayout): [number, number][] {
  const pairs: [number, number][] = [];
  const block = (fromStart: number, toStart: number, length: number): void => {
    for (let slot = 0; slot < length; slot += 1) pairs.push([fromStart + slot, toStart + slot]);
  };
  for (const [old, service] of from.services.entries()) {
    const next = to.services.indexOf(service);
    if (next === -1) continue;
    block(old * SERVICE_SLOT_COUNT, next * SERVICE_SLOT_COUNT, SERVICE_SLOT_COUNT);
    const [oldIcap, nextIcap] = [from.icapStart[old] ?? 0, to.icapStart[next] ?? 0];
    // Everything that has no backend, and the answers that the gateway gave itself.
    block(oldIcap, nextIcap, icapSlotCount(0));
    for (const [oldBackend, name] of (from.backends[old] ?? []).entries()) {
      const nextBackend = (to.backends[next] ?? []).indexOf(name);
      if (nextBackend === -1) continue;
      const [oldStart, nextStart] = [from.backendStart[old] ?? 0, to.backendStart[next] ?? 0];
      const results = BACKEND_RESULTS.length;
      block(oldStart + oldBackend * results, nextStart + nextBackend * results, results);
      const answers = ICAP_METHODS.length * ICAP_STATUSES.length;
      block(oldIcap + answerSlot(oldBackend, 0, 0), nextIcap + answerSlot(nextBackend, 0, 0), answers);
    }
  }
  return pairs;
}
