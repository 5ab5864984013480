import {
  BYPASS_RULES,
  CONTENT_METHODS,
  ICAP_BUCKETS_SECONDS,
  ICAP_METHODS,
  ICAP_STATUSES,
  REQUEST_BLOCK_LEVELS,
  RETRY_REASONS,
  VERDICTS,
} from './labels.ts';
import { startsOf } from './slot-starts.ts';

type IcapCounter = 'retries' | 'bypassed' | 'blocked' | 'verdicts' | 'secondsSum' | 'buckets';

const SLOT_COUNTS: Readonly<Record<IcapCounter, number>> = {
  retries: RETRY_REASONS.length,
  bypassed: BYPASS_RULES.length,
  blocked: REQUEST_BLOCK_LEVELS.length,
  // Each of these is there once for each method with content, one behind the other.
  verdicts: CONTENT_METHODS.length * VERDICTS.length,
  secondsSum: CONTENT_METHODS.length,
  buckets: CONTENT_METHODS.length * (ICAP_BUCKETS_SECONDS.length + 1),
};

/** Where each counter begins in the ICAP block of a service. */
export const ICAP_SLOTS: Readonly<Record<IcapCounter, number>> = startsOf(SLOT_COUNTS);

/** Where the answers begin: behind all others, a block for each backend behind one for the gateway itself. */
const ANSWERS_START = Object.values(SLOT_COUNTS).reduce((sum, count) => sum + count, 0);

/** All slots of a service with so many backends. */
export function icapSlotCount(backendCount: number): number {
  return ANSWERS_START + (backendCount + 1) * ICAP_METHODS.length * ICAP_STATUSES.length;
}

/** The slot of one answer; `backend` is undefined where the gateway gave it, the other two are indexes of labels. */
export function answerSlot(backend: number | undefined, method: number, status: number): number {
  const block = backend === undefined ? 0 : backend + 1;
  return ANSWERS_START + (block * ICAP_METHODS.length + method) * ICAP_STATUSES.length + status;
}
