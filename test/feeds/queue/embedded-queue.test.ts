import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test, vi } from 'vitest';
import type { FeedEntry, QueueChange, Sighting } from '../../../src/feeds/contract/feed-queue.ts';
import { EmbeddedQueue } from '../../../src/feeds/queue/embedded-queue.ts';
import { type FeedDisk, startFeedDisk } from '../../../src/feeds/queue/feed-disk.ts';
import { createConfigFolder } from '../../_util/config-folder.ts';
import { createFeedClock, type FakeFeedClock } from '../../_util/feed-clock.ts';

const MINUTE = 60_000;

function sighting(address: string, untilMs: number, more: Partial<Sighting> = {}): Sighting {
  return { address, source: 'guardduty', type: 'T', untilMs, findings: 1, ...more };
}

interface Rig {
  readonly queue: EmbeddedQueue;
  readonly clock: FakeFeedClock;
  readonly changes: QueueChange[];
  readonly troubles: (string | undefined)[];
  put(...addresses: readonly string[]): Promise<unknown>;
}

/** A disk that writes when it is told to, or fails. */
interface FakeDisk extends FeedDisk {
  readonly writes: PromiseWithResolvers<void>[];
}

function fakeDisk(entries: readonly FeedEntry[] = [], isManual = false): FakeDisk {
  const writes: PromiseWithResolvers<void>[] = [];
  return {
    entries,
    damaged: undefined,
    writes,
    write() {
      const written = Promise.withResolvers<void>();
      if (!isManual) written.resolve();
      writes.push(written);
      return written.promise;
    },
    async [Symbol.asyncDispose]() {},
  };
}

function rig(disk: FeedDisk, maxEntries = 100): Rig {
  const clock = createFeedClock();
  const troubles: (string | undefined)[] = [];
  const changes: QueueChange[] = [];
  const queue = new EmbeddedQueue({
    disk,
    clock,
    maxEntries: () => maxEntries,
    onTrouble: (text) => troubles.push(text),
  });
  queue.onChange((change) => changes.push(change));
  const put = (...addresses: readonly string[]): Promise<unknown> =>
    queue.put(addresses.map((address) => sighting(address, clock.nowMs() + MINUTE)));
  return { queue, clock, changes, troubles, put };
}

describe('one address, one entry', () => {
  test('a repeat moves the end on and adds nothing', async () => {
    const { queue, clock, put } = rig(fakeDisk());
    expect(await put('192.0.2.1', '192.0.2.2')).toEqual({ blocked: 2, extended: 0 });
    clock.advance(1000);
    expect(await put('192.0.2.2', '192.0.2.3')).toEqual({ blocked: 1, extended: 1 });
    expect(
      [...queue.entries()].map(({ address, findings, untilMs }) => [address, findings, untilMs - clock.nowMs()]),
    ).toEqual([
      ['192.0.2.1', 1, MINUTE - 1000],
      ['192.0.2.2', 2, MINUTE],
      ['192.0.2.3', 1, MINUTE],
    ]);
  });

  test('an end never moves back', async () => {
    const { queue, clock, put } = rig(fakeDisk());
    await put('192.0.2.1');
    await queue.put([sighting('192.0.2.1', clock.nowMs() + 1, { type: 'later' })]);
    expect(queue.find('192.0.2.1')).toMatchObject({ untilMs: clock.nowMs() + MINUTE, type: 'later' });
  });

  test('one that has had its time begins anew, swept or not', async () => {
    const { queue, clock, put } = rig(fakeDisk());
    await put('192.0.2.1');
    clock.advance(MINUTE);
    expect(await put('192.0.2.1')).toEqual({ blocked: 1, extended: 0 });
    expect(queue.find('192.0.2.1')).toMatchObject({ findings: 1, sinceMs: clock.nowMs() });
  });

  test('what has had its time is dropped and told', async () => {
    const { queue, clock, changes, put } = rig(fakeDisk());
    await put('192.0.2.1');
    await queue.expire(clock.nowMs() + MINUTE - 1);
    expect([...queue.entries()]).toHaveLength(1);
    await queue.expire(clock.nowMs() + MINUTE);
    expect([...queue.entries()]).toEqual([]);
    expect(changes.at(-1)).toMatchObject({ kind: 'expired', entries: [{ address: '192.0.2.1' }] });
  });
});

describe('a full queue', () => {
  test('takes what it knows, and nothing of what has something new in it', async () => {
    const { queue, put } = rig(fakeDisk(), 2);
    await put('192.0.2.1', '192.0.2.2');
    await expect(put('192.0.2.1', '192.0.2.3')).rejects.toMatchObject({
      code: 'ICAPGW_FEED_UNAVAILABLE',
      retryAfterSeconds: 60,
    });
    expect(queue.find('192.0.2.1')?.findings).toBe(1);
    expect(await put('192.0.2.1', '192.0.2.2')).toEqual({ blocked: 0, extended: 2 });
    expect(queue.status().trouble).toBeUndefined();
  });

  test('takes what it knows also where the limit was lowered below what it holds', async () => {
    let maxEntries = 3;
    const clock = createFeedClock();
    const queue = new EmbeddedQueue({ disk: fakeDisk(), clock, maxEntries: () => maxEntries, onTrouble: () => {} });
    const put = (...addresses: readonly string[]): Promise<unknown> =>
      queue.put(addresses.map((address) => sighting(address, clock.nowMs() + MINUTE)));
    await put('192.0.2.1', '192.0.2.2', '192.0.2.3');
    maxEntries = 2;
    expect(await put('192.0.2.1')).toEqual({ blocked: 0, extended: 1 });
    await expect(put('192.0.2.4')).rejects.toMatchObject({ code: 'ICAPGW_FEED_UNAVAILABLE' });
  });

  test('counts those that come at the same time', async () => {
    const { put } = rig(fakeDisk(), 2);
    const results = await Promise.allSettled(['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address) => put(address)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  });
});

describe('what is due', () => {
  test('is everything new, until somebody has concluded it', async () => {
    const { queue, clock, put } = rig(fakeDisk());
    await put('192.0.2.1', '192.0.2.2');
    const due = (): string[] => queue.due(clock.nowMs(), MINUTE / 2).map(({ address }) => address);
    expect(due()).toEqual(['192.0.2.1', '192.0.2.2']);
    expect(queue.status()).toEqual({ depth: 2, oldestMs: clock.nowMs(), trouble: undefined });
    await queue.conclude([
      { address: '192.0.2.1', retryAtMs: undefined },
      { address: '192.0.2.2', retryAtMs: clock.nowMs() + 500 },
    ]);
    expect(due()).toEqual([]);
    expect(queue.nextDueMs(MINUTE / 2)).toBe(clock.nowMs() + 500);
    expect(queue.status().depth).toBe(1);
    clock.advance(500);
    expect(due()).toEqual(['192.0.2.2']);
  });

  test('is a refresh when half the time is left at an engine, and only where the block goes on', async () => {
    const { queue, clock, put } = rig(fakeDisk());
    await put('192.0.2.1');
    const heldUntilMs = clock.nowMs() + MINUTE;
    await queue.settle([{ address: '192.0.2.1', engine: 'a', outcome: 'added', heldUntilMs }]);
    await queue.conclude([{ address: '192.0.2.1', retryAtMs: undefined }]);
    expect(queue.nextDueMs(MINUTE / 2)).toBeUndefined();
    for (let count = 0; count < 100; count += 1) {
      clock.advance(10);
      await put('192.0.2.1');
    }
    expect([...queue.entries()]).toHaveLength(1);
    expect(queue.due(clock.nowMs(), MINUTE / 2)).toEqual([]);
    expect(queue.nextDueMs(MINUTE / 2)).toBe(heldUntilMs - MINUTE / 2);
    clock.advance(MINUTE / 2);
    expect(queue.due(clock.nowMs(), MINUTE / 2)).toHaveLength(1);
  });

  test('is at once what is blocked for longer than half a time before', async () => {
    const { queue, clock, put } = rig(fakeDisk());
    await put('192.0.2.1');
    const heldUntilMs = clock.nowMs() + MINUTE;
    await queue.settle([{ address: '192.0.2.1', engine: 'a', outcome: 'added', heldUntilMs }]);
    await queue.conclude([{ address: '192.0.2.1', retryAtMs: undefined }]);
    clock.advance(MINUTE - 1000);
    await put('192.0.2.1');
    expect(queue.due(clock.nowMs(), MINUTE / 2)).toHaveLength(1);
  });

  test('is nothing that an engine has rejected', async () => {
    const { queue, clock, put } = rig(fakeDisk());
    await put('192.0.2.1');
    await queue.settle([{ address: '192.0.2.1', engine: 'a', outcome: 'rejected', heldUntilMs: 0 }]);
    await queue.conclude([{ address: '192.0.2.1', retryAtMs: undefined }]);
    await put('192.0.2.1');
    expect(queue.due(clock.nowMs() + MINUTE / 2, MINUTE / 2)).toEqual([]);
  });

  test('is nothing that has had its time', async () => {
    const { queue, clock, put } = rig(fakeDisk());
    await put('192.0.2.1');
    expect(queue.due(clock.nowMs() + MINUTE, MINUTE / 2)).toEqual([]);
  });
});

describe('the disk', () => {
  test('comes before anybody sees a change', async () => {
    const disk = fakeDisk([], true);
    const { queue, changes, put } = rig(disk);
    const done = put('192.0.2.1');
    await vi.waitFor(() => expect(disk.writes).toHaveLength(1));
    expect(queue.find('192.0.2.1')).toBeUndefined();
    expect(changes).toEqual([]);
    disk.writes[0]?.resolve();
    await done;
    expect(queue.find('192.0.2.1')).toBeDefined();
    expect(changes).toMatchObject([{ kind: 'put', entries: [{ address: '192.0.2.1' }] }]);
  });

  test('is written to once for all that comes together', async () => {
    const disk = fakeDisk([], true);
    const { queue, put } = rig(disk);
    const first = put('192.0.2.1');
    await vi.waitFor(() => expect(disk.writes).toHaveLength(1));
    const others = [put('192.0.2.1'), put('192.0.2.2'), queue.remove('192.0.2.1')];
    disk.writes[0]?.resolve();
    await first;
    await vi.waitFor(() => expect(disk.writes).toHaveLength(2));
    disk.writes[1]?.resolve();
    expect(await Promise.all(others)).toEqual([{ blocked: 0, extended: 1 }, { blocked: 1, extended: 0 }, true]);
    expect([...queue.entries()].map(({ address }) => address)).toEqual(['192.0.2.2']);
  });

  test('that fails changes nothing, is told once, and is looked at again', async () => {
    const disk = fakeDisk([], true);
    const { queue, clock, troubles, changes, put } = rig(disk);
    const done = put('192.0.2.1');
    await vi.waitFor(() => expect(disk.writes).toHaveLength(1));
    disk.writes[0]?.reject(new Error('database or disk is full'));
    await expect(done).rejects.toMatchObject({ code: 'ICAPGW_FEED_UNAVAILABLE', retryAfterSeconds: 10 });
    expect([...queue.entries()]).toEqual([]);
    expect(changes).toEqual([]);
    expect(queue.status().trouble).toBe('database or disk is full');
    clock.advance(5000);
    expect(disk.writes).toHaveLength(2);
    disk.writes[1]?.reject(new Error('still full'));
    await vi.waitFor(() => expect(queue.status().trouble).toBe('still full'));
    clock.advance(5000);
    disk.writes[2]?.resolve();
    await vi.waitFor(() => expect(queue.status().trouble).toBeUndefined());
    expect(troubles).toEqual(['database or disk is full', undefined]);
  });

  test('that hangs is waited for as long as a sender waits', async () => {
    const disk = fakeDisk([], true);
    const { clock, put } = rig(disk);
    const done = put('192.0.2.1');
    await vi.waitFor(() => expect(disk.writes).toHaveLength(1));
    clock.advance(5000);
    await expect(done).rejects.toMatchObject({ code: 'ICAPGW_FEED_UNAVAILABLE' });
  });

  test('is not needed for what has had its time', async () => {
    const disk = fakeDisk([], true);
    const { queue, clock, put } = rig(disk);
    const done = put('192.0.2.1');
    await vi.waitFor(() => expect(disk.writes).toHaveLength(1));
    disk.writes[0]?.resolve();
    await done;
    await queue.expire(clock.nowMs() + MINUTE);
    expect([...queue.entries()]).toEqual([]);
  });
});

test('lifting a block ends its relay, and says whether there was one', async () => {
  const { queue, changes, put } = rig(fakeDisk());
  await put('192.0.2.1');
  expect(await queue.remove('192.0.2.1')).toBe(true);
  expect(await queue.remove('192.0.2.1')).toBe(false);
  expect(queue.status().depth).toBe(0);
  expect(changes.map(({ kind, entries }) => [kind, entries.map(({ address }) => address)])).toEqual([
    ['put', ['192.0.2.1']],
    ['removed', ['192.0.2.1']],
  ]);
});

test('after the end nothing is taken', async () => {
  const { queue, put } = rig(fakeDisk());
  await queue[Symbol.asyncDispose]();
  await expect(put('192.0.2.1')).rejects.toMatchObject({ code: 'ICAPGW_FEED_UNAVAILABLE' });
});

test('a clean stop and a start lose nothing', async () => {
  using folder = createConfigFolder({});
  const open = async (): Promise<Rig> =>
    rig(await startFeedDisk({ folder: folder.path, nowMs: createFeedClock().nowMs() }));
  const first = await open();
  await first.put('192.0.2.1', '2001:db8::1');
  await first.queue.settle([{ address: '192.0.2.1', engine: 'NGFW 1', outcome: 'added', heldUntilMs: 9e15 }]);
  await first.queue.conclude([{ address: '192.0.2.1', retryAtMs: undefined }]);
  const before = [...first.queue.entries()];
  await first.queue[Symbol.asyncDispose]();
  const second = await open();
  expect([...second.queue.entries()]).toEqual(before);
  expect(second.queue.due(second.clock.nowMs(), 0).map(({ address }) => address)).toEqual(['2001:db8::1']);
  await second.queue[Symbol.asyncDispose]();
});

test('two queues cannot have one folder', async () => {
  using folder = createConfigFolder({});
  await using _ = await startFeedDisk({ folder: folder.path, nowMs: 0 });
  await expect(startFeedDisk({ folder: folder.path, nowMs: 0 })).rejects.toMatchObject({
    code: 'ICAPGW_FEED_STATE',
    message: expect.stringContaining('another process works with it'),
  });
});

test('kill -9 at any moment loses nothing that was said to be durable', { timeout: 60_000 }, async () => {
  using folder = createConfigFolder({});
  /** The last word about each address. */
  const said = new Map<string, string>();
  for (let round = 0; round < 4; round += 1) {
    const child = spawn(process.execPath, [PROCESS, folder.path, String(round * 100_000)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    let count = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const [word = '', address = ''] = line.split(' ');
      said.set(address, word);
      count += 1;
      if (count === 150 + round * 37) child.kill('SIGKILL');
    }
    await exited;
    const disk = await startFeedDisk({ folder: folder.path, nowMs: Date.now() });
    expect(disk.damaged).toBeUndefined();
    const kept = new Map(disk.entries.map((entry) => [entry.address, entry]));
    for (const [address, word] of said) {
      const entry = kept.get(address);
      // The step after the last word may have come to the disk, and its word been lost.
      if (word === 'removed') expect(entry, address).toBeUndefined();
      else if (word === 'concluded') expect(entry?.isPending ?? false, address).toBe(false);
      else expect(entry, address).toBeDefined();
      if (word === 'settled') expect(entry?.engines.get('NGFW 1')?.outcome, address).toBe('added');
    }
    await disk[Symbol.asyncDispose]();
  }
  expect(said.size).toBeGreaterThan(100);
});

const PROCESS = join(import.meta.dirname, '../../_util/feed-queue-process.ts');
