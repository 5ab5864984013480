import { describe, expect, test, vi } from 'vitest';
import { SYSTEM_CLOCK } from '../../src/feeds/contract/feed-clock.ts';
import type { FeedEntry, FeedQueue, QueueChange, Sighting } from '../../src/feeds/contract/feed-queue.ts';

/** A queue under test. Disposing ends it and removes what it kept. */
export interface QueueHarness extends AsyncDisposable {
  readonly queue: FeedQueue;
  /** Ends the queue, and opens it again over what it kept. */
  reopen(): Promise<FeedQueue>;
}

export interface QueueHarnessOptions {
  readonly maxEntries: number;
}

/** How long before an engine lets go of an address the tests want it offered again. */
export const LEAD_MS = 30_000;
const HOUR_MS = 3_600_000;
const ADDRESS = '198.51.100.0';

/** What every queue does, in real time: `due` may need a moment to hear of something. */
export function describeQueue(name: string, start: (options: QueueHarnessOptions) => Promise<QueueHarness>): void {
  const open = (options: Partial<QueueHarnessOptions> = {}): Promise<QueueHarness> =>
    start({ maxEntries: 1000, ...options });

  describe(name, () => {
    test('keeps an address that is put, and offers it', async () => {
      await using harness = await open();
      const { queue } = harness;
      const untilMs = inAnHour();
      expect(await queue.put([sighting(ADDRESS, { untilMs, type: 'Recon', findings: 2 })])).toEqual({
        blocked: 1,
        extended: 0,
      });
      expect(queue.find(ADDRESS)).toMatchObject({
        ...{ address: ADDRESS, source: 'guardduty', type: 'Recon', untilMs, findings: 2, isPending: true },
        engines: new Map(),
      });
      await offers(queue, [ADDRESS]);
      expect(queue.nextDueMs(LEAD_MS)).toBeLessThanOrEqual(Date.now());
      expect(queue.status()).toMatchObject({ depth: 1, trouble: undefined });
    });

    test('has one entry for an address that is reported a hundred times, and offers it once', async () => {
      await using harness = await open();
      const { queue } = harness;
      const results = await Promise.all(Array.from({ length: 100 }, () => queue.put([sighting(ADDRESS)])));
      expect(results.filter(({ blocked }) => blocked === 1)).toHaveLength(1);
      expect(results.filter(({ extended }) => extended === 1)).toHaveLength(99);
      expect([...queue.entries()]).toMatchObject([{ address: ADDRESS, findings: 100 }]);
      await offers(queue, [ADDRESS]);
      await queue.settle([added(ADDRESS, 'NGFW 1', inAnHour())]);
      await queue.conclude([{ address: ADDRESS, retryAtMs: undefined }]);
      await queue.put([sighting('198.51.100.1')]);
      await offers(queue, ['198.51.100.1']);
    });

    test('moves the end of a block on, and never back', async () => {
      await using harness = await open();
      const { queue } = harness;
      const untilMs = inAnHour();
      await queue.put([sighting(ADDRESS, { untilMs })]);
      expect(await queue.put([sighting(ADDRESS, { untilMs: untilMs + 1000 })])).toEqual({ blocked: 0, extended: 1 });
      expect(queue.find(ADDRESS)?.untilMs).toBe(untilMs + 1000);
      await queue.put([sighting(ADDRESS, { untilMs })]);
      expect(queue.find(ADDRESS)).toMatchObject({ untilMs: untilMs + 1000, findings: 3 });
    });

    test('takes nothing of what has no room', async () => {
      await using harness = await open({ maxEntries: 2 });
      const { queue } = harness;
      await queue.put([sighting('198.51.100.1')]);
      await expect(queue.put([sighting('198.51.100.2'), sighting('198.51.100.3')])).rejects.toMatchObject({
        code: 'ICAPGW_FEED_UNAVAILABLE',
        retryAfterSeconds: expect.any(Number),
      });
      expect(addressesOf(queue.entries())).toEqual(['198.51.100.1']);
      await queue.put([sighting('198.51.100.1'), sighting('198.51.100.2')]);
      await offers(queue, ['198.51.100.1', '198.51.100.2']);
    });

    test('offers nothing that is concluded, and knows what the engines hold', async () => {
      await using harness = await open();
      const { queue } = harness;
      await queue.put([sighting('198.51.100.1'), sighting('198.51.100.2')]);
      await offers(queue, ['198.51.100.1', '198.51.100.2']);
      const heldUntilMs = inAnHour() + 1000;
      await queue.settle([
        added('198.51.100.1', 'NGFW 1', heldUntilMs),
        { address: '198.51.100.1', engine: 'NGFW 2', outcome: 'rejected', heldUntilMs: 0 },
        added('198.51.100.1', 'NGFW 3', heldUntilMs),
        added('203.0.113.9', 'NGFW 1', heldUntilMs),
      ]);
      await queue.settle([{ address: '198.51.100.1', engine: 'NGFW 3', outcome: 'gone', heldUntilMs: 0 }]);
      await queue.conclude([
        { address: '198.51.100.1', retryAtMs: undefined },
        { address: '203.0.113.9', retryAtMs: undefined },
      ]);
      expect(addressesOf(queue.due(Date.now(), LEAD_MS))).toEqual(['198.51.100.2']);
      expect(queue.find('198.51.100.1')).toMatchObject({
        isPending: false,
        engines: new Map([
          ['NGFW 1', { outcome: 'added', heldUntilMs }],
          ['NGFW 2', { outcome: 'rejected', heldUntilMs: 0 }],
        ]),
      });
      expect(queue.find('203.0.113.9')).toBeUndefined();
      expect(queue.status().depth).toBe(1);
    });

    test.each([300, 1300])('offers what is to be tried again in %i ms then, and not before', async (pauseMs) => {
      await using harness = await open();
      const { queue } = harness;
      await queue.put([sighting(ADDRESS)]);
      await offers(queue, [ADDRESS]);
      const retryAtMs = Date.now() + pauseMs;
      await queue.settle([{ address: ADDRESS, engine: 'NGFW 1', outcome: 'pending', heldUntilMs: 0 }]);
      await queue.conclude([{ address: ADDRESS, retryAtMs }]);
      expect(queue.due(retryAtMs - 1, LEAD_MS)).toEqual([]);
      await offers(queue, [ADDRESS]);
      expect(Date.now()).toBeGreaterThanOrEqual(retryAtMs);
      expect(queue.find(ADDRESS)?.engines.get('NGFW 1')).toEqual({ outcome: 'pending', heldUntilMs: 0 });
    });

    test('offers an address again shortly before an engine lets go of it, where the block goes on', async () => {
      await using harness = await open();
      const { queue } = harness;
      await queue.put([sighting(ADDRESS)]);
      await offers(queue, [ADDRESS]);
      const heldUntilMs = Date.now() + LEAD_MS + 1500;
      await queue.settle([added(ADDRESS, 'NGFW 1', heldUntilMs)]);
      await queue.conclude([{ address: ADDRESS, retryAtMs: undefined }]);
      expect(queue.due(heldUntilMs - LEAD_MS - 1, LEAD_MS)).toEqual([]);
      await offers(queue, [ADDRESS]);
      expect(Date.now()).toBeGreaterThanOrEqual(heldUntilMs - LEAD_MS);
      expect(queue.find(ADDRESS)?.isPending).toBe(false);
    });

    test('offers nothing whose time is over, and forgets it when it is told to', async () => {
      await using harness = await open();
      const { queue } = harness;
      const untilMs = Date.now() + 60_000;
      await queue.put([sighting('198.51.100.1', { untilMs }), sighting('198.51.100.2')]);
      await offers(queue, ['198.51.100.1', '198.51.100.2']);
      expect(addressesOf(queue.due(untilMs, LEAD_MS))).toEqual(['198.51.100.2']);
      const changes = changesOf(queue);
      await queue.expire(untilMs - 1);
      await queue.expire(untilMs);
      expect(addressesOf(queue.entries())).toEqual(['198.51.100.2']);
      expect(changes).toMatchObject([{ kind: 'expired', entries: [{ address: '198.51.100.1' }] }]);
    });

    test('ends the relay of what is removed, and says whether it was there', async () => {
      await using harness = await open();
      const { queue } = harness;
      await queue.put([sighting('198.51.100.1'), sighting('198.51.100.2')]);
      await offers(queue, ['198.51.100.1', '198.51.100.2']);
      const changes = changesOf(queue);
      expect(await queue.remove('198.51.100.1')).toBe(true);
      expect(await queue.remove('198.51.100.1')).toBe(false);
      expect(changes).toMatchObject([{ kind: 'removed', entries: [{ address: '198.51.100.1' }] }]);
      expect(addressesOf(queue.due(Date.now(), LEAD_MS))).toEqual(['198.51.100.2']);
      expect(await queue.put([sighting('198.51.100.1')])).toEqual({ blocked: 1, extended: 0 });
      await offers(queue, ['198.51.100.1', '198.51.100.2']);
    });

    test('tells of each change when it can be seen', async () => {
      await using harness = await open();
      const { queue } = harness;
      const seen: unknown[] = [];
      using _subscription = queue.onChange(({ kind, entries }) => {
        for (const entry of entries) seen.push([kind, queue.find(entry.address) === entry]);
      });
      await queue.put([sighting(ADDRESS)]);
      expect(seen[0]).toEqual(['put', true]);
      await offers(queue, [ADDRESS]);
      seen.length = 0;
      await queue.settle([added(ADDRESS, 'NGFW 1', inAnHour())]);
      expect(seen).toContainEqual(['relayed', true]);
    });

    test('tells nobody who has left', async () => {
      await using harness = await open();
      const { queue } = harness;
      const changes: QueueChange[] = [];
      queue.onChange((change) => changes.push(change))[Symbol.dispose]();
      await queue.put([sighting(ADDRESS)]);
      expect(changes).toEqual([]);
    });

    test('loses nothing over an end and a start', async () => {
      await using harness = await open();
      const { queue } = harness;
      await queue.put([sighting('198.51.100.1'), sighting('2001:db8::1'), sighting('198.51.100.2')]);
      await offers(queue, ['198.51.100.1', '2001:db8::1', '198.51.100.2']);
      await queue.settle([
        added('198.51.100.1', 'NGFW 1', inAnHour() + 1000),
        { address: '198.51.100.2', engine: 'NGFW 1', outcome: 'pending', heldUntilMs: 0 },
      ]);
      await queue.conclude([
        { address: '198.51.100.1', retryAtMs: undefined },
        { address: '198.51.100.2', retryAtMs: Date.now() },
      ]);
      await queue.remove('2001:db8::1');
      await queue.put([sighting('198.51.100.3')]);
      const before = [...queue.entries()];
      const again = await harness.reopen();
      expect([...again.entries()]).toEqual(before);
      await offers(again, ['198.51.100.2', '198.51.100.3']);
      expect(await again.put([sighting('198.51.100.1')])).toEqual({ blocked: 0, extended: 1 });
    });

    test('takes nothing after its end', async () => {
      await using harness = await open();
      const { queue } = harness;
      await queue[Symbol.asyncDispose]();
      await expect(queue.put([sighting(ADDRESS)])).rejects.toMatchObject({ code: 'ICAPGW_FEED_UNAVAILABLE' });
    });
  });
}

export function sighting(address: string, more: Partial<Sighting> = {}): Sighting {
  return { address, source: 'guardduty', type: 'T', untilMs: inAnHour(), findings: 1, ...more };
}

/** Waits until exactly these are due. */
export async function offers(queue: FeedQueue, addresses: readonly string[]): Promise<void> {
  await vi.waitFor(
    () => expect(addressesOf(queue.due(SYSTEM_CLOCK.nowMs(), LEAD_MS)).sort()).toEqual([...addresses].sort()),
    { timeout: 15_000, interval: 20 },
  );
}

export function addressesOf(entries: Iterable<FeedEntry>): string[] {
  return [...entries].map(({ address }) => address);
}

function changesOf(queue: FeedQueue): readonly QueueChange[] {
  const changes: QueueChange[] = [];
  queue.onChange((change) => changes.push(change));
  return changes;
}

function added(
  address: string,
  engine: string,
  heldUntilMs: number,
): { address: string; engine: string; outcome: 'added'; heldUntilMs: number } {
  return { address, engine, outcome: 'added', heldUntilMs };
}

function inAnHour(): number {
  return Date.now() + HOUR_MS;
}
