import { bucketOf } from './buckets.ts';
import { answerSlot, ICAP_SLOTS, icapSlotCount } from './icap-slots.ts';
import {
  BACKEND_RESULTS,
  type BackendResult,
  BYPASS_RULES,
  type BypassRuleLabel,
  CLOSE_REASONS,
  type CloseReason,
  CONTENT_METHODS,
  type ContentMethod,
  HANDSHAKE_BUCKETS_SECONDS,
  HANDSHAKE_FAILURES,
  HANDSHAKE_VERSIONS,
  type HandshakeFailure,
  type HandshakeVersion,
  ICAP_BUCKETS_SECONDS,
  ICAP_METHODS,
  ICAP_STATUSES,
  type IcapMethod,
  REJECT_REASONS,
  REQUEST_BLOCK_LEVELS,
  RETRY_REASONS,
  type RejectReason,
  type RequestBlockLevel,
  type RetryReason,
  VERDICTS,
  type VerdictLabel,
} from './labels.ts';
import { startsOf } from './slot-starts.ts';

/** Which slot counts what. Plain data: it is sent to the workers together with the memory it describes. */
export interface CounterLayout {
  readonly services: readonly string[];
  /** Names of the backends of each service. */
  readonly backends: readonly (readonly string[])[];
  readonly workers: number;
  /** First slot of each service's backends within a slice. */
  readonly backendStart: readonly number[];
  /** First slot of what each service counts of ICAP. */
  readonly icapStart: readonly number[];
  /** Slots of one worker, padded so that two workers never write to the same cache line. */
  readonly sliceSlots: number;
}

const CACHE_LINE_SLOTS = 16;

type ServiceCounter =
  | 'accepted'
  | 'closed'
  | 'rejected'
  | 'received'
  | 'sent'
  | 'handshakes'
  | 'handshakeFailures'
  | 'lastResort'
  | 'handshakeSecondsSum'
  | 'handshakeBuckets';

const SLOT_COUNTS: Readonly<Record<ServiceCounter, number>> = {
  accepted: 1,
  closed: CLOSE_REASONS.length,
  rejected: REJECT_REASONS.length,
  received: 1,
  sent: 1,
  // Two for each version: full handshakes, then resumed ones.
  handshakes: HANDSHAKE_VERSIONS.length * 2,
  handshakeFailures: HANDSHAKE_FAILURES.length,
  lastResort: 1,
  handshakeSecondsSum: 1,
  // One for each bound and one for what lies above the last; not cumulative.
  handshakeBuckets: HANDSHAKE_BUCKETS_SECONDS.length + 1,
};

/** Where each counter of a service begins in its block of slots; one with labels takes a slot for each value. */
export const SERVICE_SLOTS: Readonly<Record<ServiceCounter, number>> = startsOf(SLOT_COUNTS);

/** Slots of one service, without those of its backends. */
export const SERVICE_SLOT_COUNT: number = Object.values(SLOT_COUNTS).reduce((sum, count) => sum + count, 0);

/** Lays out the counters of a configuration. The order of services and backends gives their indexes. */
export function createCounterLayout(options: Pick<CounterLayout, 'services' | 'backends' | 'workers'>): CounterLayout {
  const { services, backends, workers } = options;
  const backendStart: number[] = [];
  let next = services.length * SERVICE_SLOT_COUNT;
  for (const names of backends) {
    backendStart.push(next);
    next += names.length * BACKEND_RESULTS.length;
  }
  const icapStart: number[] = [];
  for (const names of backends) {
    icapStart.push(next);
    next += icapSlotCount(names.length);
  }
  const sliceSlots = Math.ceil(next / CACHE_LINE_SLOTS) * CACHE_LINE_SLOTS;
  return { services, backends, workers, backendStart, icapStart, sliceSlots };
}

/** One slice for each worker, and one of the main thread for what was counted under earlier configurations. */
export function sliceCount({ workers }: CounterLayout): number {
  return workers + 1;
}

/** Zeroed memory for every worker of a layout. It outlives each of them: a replacement goes on in the same slice. */
export function createCounterBuffer(layout: CounterLayout): SharedArrayBuffer {
  return new SharedArrayBuffer(layout.sliceSlots * sliceCount(layout) * Float64Array.BYTES_PER_ELEMENT);
}

const CLOSED = indexesOf(CLOSE_REASONS);
const REJECTED = indexesOf(REJECT_REASONS);
const FAILED = indexesOf(HANDSHAKE_FAILURES);
const VERSION = indexesOf(HANDSHAKE_VERSIONS);
const RESULT = indexesOf(BACKEND_RESULTS);
const METHOD = indexesOf(ICAP_METHODS);
const STATUS: ReadonlyMap<number, number> = new Map(ICAP_STATUSES.map((status, index) => [Number(status), index]));
const OTHER_STATUS = ICAP_STATUSES.indexOf('other');
const CONTENT_METHOD = indexesOf(CONTENT_METHODS);
const VERDICT = indexesOf(VERDICTS);
const RETRIED = indexesOf(RETRY_REASONS);
const BYPASSED = indexesOf(BYPASS_RULES);
const BLOCKED = indexesOf(REQUEST_BLOCK_LEVELS);

/**
 * One worker's counters. Each slice has a single writer at a time, and aligned 8-byte stores are not torn on any
 * platform Node runs on, so plain additions are exact without Atomics.
 */
export class WorkerCounters {
  readonly #layout: CounterLayout;
  readonly #slots: Float64Array;

  constructor(layout: CounterLayout, buffer: SharedArrayBuffer, workerIndex: number) {
    this.#layout = layout;
    const offsetBytes = workerIndex * layout.sliceSlots * Float64Array.BYTES_PER_ELEMENT;
    this.#slots = new Float64Array(buffer, offsetBytes, layout.sliceSlots);
  }

  /** Call once the connection has passed every limit and list: rejected ones are counted apart. */
  connectionAccepted(service: number): void {
    this.#add(service * SERVICE_SLOT_COUNT + SERVICE_SLOTS.accepted, 1);
  }

  /** The end of a connection whose handshake was done, or that needed none. */
  connectionClosed(service: number, reason: CloseReason): void {
    this.#add(service * SERVICE_SLOT_COUNT + SERVICE_SLOTS.closed + CLOSED[reason], 1);
  }

  connectionRejected(service: number, reason: RejectReason): void {
    this.#add(service * SERVICE_SLOT_COUNT + SERVICE_SLOTS.rejected + REJECTED[reason], 1);
  }

  /** Bytes on the client's side, in the clear: from the client, and to it. */
  bytes(service: number, received: number, sent: number): void {
    const start = service * SERVICE_SLOT_COUNT;
    this.#add(start + SERVICE_SLOTS.received, received);
    this.#add(start + SERVICE_SLOTS.sent, sent);
  }

  handshakeDone(service: number, version: HandshakeVersion, resumed: boolean, seconds: number): void {
    const start = service * SERVICE_SLOT_COUNT;
    this.#add(start + SERVICE_SLOTS.handshakes + VERSION[version] * 2 + Number(resumed), 1);
    this.#add(start + SERVICE_SLOTS.handshakeSecondsSum, seconds);
    this.#add(start + SERVICE_SLOTS.handshakeBuckets + bucketOf(HANDSHAKE_BUCKETS_SECONDS, seconds), 1);
  }

  handshakeFailed(service: number, reason: HandshakeFailure): void {
    this.#add(service * SERVICE_SLOT_COUNT + SERVICE_SLOTS.handshakeFailures + FAILED[reason], 1);
  }

  backendAttempt(service: number, backend: number, result: BackendResult): void {
    const start = this.#layout.backendStart[service] ?? Number.NaN;
    this.#add(start + backend * BACKEND_RESULTS.length + RESULT[result], 1);
  }

  /** A connection was given to a backend although every one of the service was down. */
  lastResort(service: number): void {
    this.#add(service * SERVICE_SLOT_COUNT + SERVICE_SLOTS.lastResort, 1);
  }

  /** An answer on its way to the client. `backend` is undefined where the gateway gave it itself. */
  icapAnswered(service: number, method: IcapMethod, backend: number | undefined, status: number): void {
    this.#addIcap(service, answerSlot(backend, METHOD[method], STATUS.get(status) ?? OTHER_STATUS));
  }

  /** The end of a request with content, answered or not. */
  icapFinished(service: number, method: ContentMethod, verdict: VerdictLabel, seconds: number): void {
    const index = CONTENT_METHOD[method];
    this.#addIcap(service, ICAP_SLOTS.verdicts + index * VERDICTS.length + VERDICT[verdict]);
    this.#addIcap(service, ICAP_SLOTS.secondsSum + index, seconds);
    const bucket = bucketOf(ICAP_BUCKETS_SECONDS, seconds);
    this.#addIcap(service, ICAP_SLOTS.buckets + index * (ICAP_BUCKETS_SECONDS.length + 1) + bucket);
  }

  /** A request is sent once more, for this reason. */
  icapRetried(service: number, reason: RetryReason): void {
    this.#addIcap(service, ICAP_SLOTS.retries + RETRIED[reason]);
  }

  /** Content passed that no server judged. */
  icapBypassed(service: number, rule: BypassRuleLabel): void {
    this.#addIcap(service, ICAP_SLOTS.bypassed + BYPASSED[rule]);
  }

  /** A request was turned away for an address in it. */
  icapBlocked(service: number, level: RequestBlockLevel): void {
    this.#addIcap(service, ICAP_SLOTS.blocked + BLOCKED[level]);
  }

  #addIcap(service: number, slot: number, amount = 1): void {
    this.#add((this.#layout.icapStart[service] ?? Number.NaN) + slot, amount);
  }

  #add(slot: number, amount: number): void {
    this.#slots[slot] = (this.#slots[slot] ?? 0) + amount;
  }
}

function indexesOf<L extends string>(values: readonly L[]): Readonly<Record<L, number>> {
  return Object.fromEntries(values.map((value, index) => [value, index])) as Record<L, number>;
}
