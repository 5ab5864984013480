import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FeedEntry } from '../../../src/feeds/contract/feed-queue.ts';
import { FeedBook } from '../../../src/feeds/queue/feed-book.ts';

const LEAD_MS = 50;
const NOW_MS = 100;

const TIME = fc.integer({ min: 0, max: 200 });
const ADDRESS = fc.constantFrom('198.51.100.1', '198.51.100.2', '198.51.100.3');
const ENTRY: fc.Arbitrary<FeedEntry> = fc.record({
  address: ADDRESS,
  source: fc.constant('guardduty'),
  type: fc.constant('T'),
  sinceMs: TIME,
  untilMs: TIME,
  findings: fc.constant(1),
  isPending: fc.boolean(),
  engines: fc
    .option(fc.record({ outcome: fc.constantFrom('added', 'rejected'), heldUntilMs: TIME }), { nil: undefined })
    .map((hold) => new Map(hold === undefined ? [] : [['NGFW', hold]])),
});
const STEP = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), entry: ENTRY }),
  fc.record({ kind: fc.constant('delete' as const), address: ADDRESS }),
  fc.record({
    kind: fc.constant('postpone' as const),
    address: ADDRESS,
    retryAtMs: fc.option(TIME, { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('expire' as const), nowMs: TIME }),
);

/** As the contract of the queue has it, without remembering anything. */
function dueMs({ address, isPending, untilMs, engines }: FeedEntry, retryAtMs: ReadonlyMap<string, number>): number {
  if (isPending) return retryAtMs.get(address) ?? 0;
  const holds = [...engines.values()].filter(
    ({ outcome, heldUntilMs }) => outcome === 'added' && heldUntilMs < untilMs,
  );
  return Math.min(...holds.map(({ heldUntilMs }) => heldUntilMs - LEAD_MS));
}

test('whatever happens, what is due, now and next, and what has had its time is what a look at all of them says', () => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 30 }), (steps) => {
      const book = new FeedBook([]);
      const retryAtMs = new Map<string, number>();
      for (const step of steps) {
        const before = [...book.entries()];
        if (step.kind === 'set') book.apply(new Map([[step.entry.address, step.entry]]), 0);
        else if (step.kind === 'delete') book.apply(new Map([[step.address, undefined]]), 0);
        else if (step.kind === 'expire') {
          expect(book.expire(step.nowMs)).toEqual(before.filter(({ untilMs }) => untilMs <= step.nowMs));
        } else {
          book.postpone([step]);
          if (step.retryAtMs === undefined) retryAtMs.delete(step.address);
          else retryAtMs.set(step.address, step.retryAtMs);
        }
        for (const address of retryAtMs.keys()) if (book.find(address) === undefined) retryAtMs.delete(address);
        const next = Math.min(...Array.from(book.entries(), (entry) => dueMs(entry, retryAtMs)));
        expect(book.nextDueMs(LEAD_MS) ?? Number.POSITIVE_INFINITY).toBe(next);
        const due = [...book.entries()].filter((entry) => entry.untilMs > NOW_MS && dueMs(entry, retryAtMs) <= NOW_MS);
        const offered = book.due(NOW_MS, LEAD_MS);
        expect(new Set(offered)).toEqual(new Set(due));
        expect(offered).toEqual(offered.toSorted((a, b) => a.sinceMs - b.sinceMs));
      }
    }),
    { numRuns: 1000 },
  );
});
