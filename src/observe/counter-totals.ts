import { type CounterLayout, SERVICE_SLOT_COUNT, SERVICE_SLOTS, sliceCount } from './counters.ts';
import { answerSlot, ICAP_SLOTS } from './icap-slots.ts';
import {
  BACKEND_RESULTS,
  type BackendResult,
  type BlockLevel,
  BYPASS_RULES,
  type BypassRuleLabel,
  CLOSE_REASONS,
  type CloseReason,
  CONTENT_METHODS,
  type ContentMethod,
  type Direction,
  HANDSHAKE_BUCKETS_SECONDS,
  HANDSHAKE_FAILURES,
  HANDSHAKE_VERSIONS,
  type HandshakeFailure,
  type HandshakeVersion,
  ICAP_BUCKETS_SECONDS,
  ICAP_METHODS,
  ICAP_STATUSES,
  type IcapMethod,
  type IcapStatus,
  REJECT_REASONS,
  REQUEST_BLOCK_LEVELS,
  RETRY_REASONS,
  type RejectReason,
  type RetryReason,
  VERDICTS,
  type VerdictLabel,
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
  #layout: CounterLayout;
  #slots: Float64Array;

  constructor(layout: CounterLayout, buffer: SharedArrayBuffer) {
    this.#layout = layout;
    this.#slots = new Float64Array(buffer);
  }

  /** Which services and backends there are, and in which order. */
  get layout(): CounterLayout {
    return this.#layout;
  }

  /** Reads from other memory from now on. What was counted before must have been carried into it. */
  follow(layout: CounterLayout, buffer: SharedArrayBuffer): void {
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
    const start = service * SERVICE_SLOT_COUNT;
    return this.#histogram(
      start + SERVICE_SLOTS.handshakeBuckets,
      HANDSHAKE_BUCKETS_SECONDS.length,
      start + SERVICE_SLOTS.handshakeSecondsSum,
    );
  }

  lastResort(service: number): number {
    return this.#sum(service, SERVICE_SLOTS.lastResort);
  }

  backendAttempts(service: number, backend: number, result: BackendResult): number {
    const start = this.#layout.backendStart[service] ?? Number.NaN;
    return this.#sumOfSlot(start + backend * BACKEND_RESULTS.length + BACKEND_RESULTS.indexOf(result));
  }

  /** `backend` is undefined for answers the gateway gave itself. */
  icapAnswers(service: number, method: IcapMethod, backend: number | undefined, status: IcapStatus): number {
    return this.#icapSum(service, answerSlot(backend, ICAP_METHODS.indexOf(method), ICAP_STATUSES.indexOf(status)));
  }

  icapVerdicts(service: number, method: ContentMethod, verdict: VerdictLabel): number {
    const index = CONTENT_METHODS.indexOf(method);
    return this.#icapSum(service, ICAP_SLOTS.verdicts + index * VERDICTS.length + VERDICTS.indexOf(verdict));
  }

  icapSeconds(service: number, method: ContentMethod): HistogramTotals {
    const index = CONTENT_METHODS.indexOf(method);
    const start = this.#icapStart(service);
    return this.#histogram(
      start + ICAP_SLOTS.buckets + index * (ICAP_BUCKETS_SECONDS.length + 1),
      ICAP_BUCKETS_SECONDS.length,
      start + ICAP_SLOTS.secondsSum + index,
    );
  }

  icapRetries(service: number, reason: RetryReason): number {
    return this.#icapSum(service, ICAP_SLOTS.retries + RETRY_REASONS.indexOf(reason));
  }

  icapBypassed(service: number, rule: BypassRuleLabel): number {
    return this.#icapSum(service, ICAP_SLOTS.bypassed + BYPASS_RULES.indexOf(rule));
  }

  /** Connections, or requests, turned away because an address is blocked. */
  blockHits(service: number, level: BlockLevel): number {
    return level === 'peer'
      ? this.rejected(service, 'blocked')
      : this.#icapSum(service, ICAP_SLOTS.blocked + REQUEST_BLOCK_LEVELS.indexOf(level));
  }

  #histogram(bucketStart: number, boundCount: number, sumSlot: number): HistogramTotals {
    const cumulative: number[] = [];
    let count = 0;
    for (let bucket = 0; bucket <= boundCount; bucket += 1) {
      count += this.#sumOfSlot(bucketStart + bucket);
      if (bucket < boundCount) cumulative.push(count);
    }
    return { cumulative, count, sum: this.#sumOfSlot(sumSlot) };
  }

  #icapStart(service: number): number {
    return this.#layout.icapStart[service] ?? Number.NaN;
  }

  #icapSum(service: number, slot: number): number {
    return this.#sumOfSlot(this.#icapStart(service) + slot);
  }

  #sum(service: number, slot: number): number {
    return this.#sumOfSlot(service * SERVICE_SLOT_COUNT + slot);
  }

  #sumOfSlot(slot: number): number {
    let total = 0;
    for (let worker = 0; worker < sliceCount(this.#layout); worker += 1) {
      total += this.#slots[worker * this.#layout.sliceSlots + slot] ?? 0;
    }
    return total;
  }
}
