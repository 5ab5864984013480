import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { SYSTEM_CLOCK } from '../../src/feeds/contract/feed-clock.ts';
import type { FeedQueue } from '../../src/feeds/contract/feed-queue.ts';
import { FeedUnavailableError } from '../../src/feeds/contract/feed-unavailable.ts';
import { EmbeddedQueue } from '../../src/feeds/queue/embedded-queue.ts';
import { Blocks, type BlocksOptions } from '../../src/runtime/blocks.ts';
import { createMemoryDisk } from '../_util/feed-memory-disk.ts';
import { createFolder, createLog } from '../_util/observe-log.ts';

type Message = Parameters<BlocksOptions['tell']>[0];

interface Rig extends AsyncDisposable {
  readonly queue: FeedQueue;
  readonly told: readonly Message[];
  configWith(allow: readonly string[]): Config;
  /** The gateway's blocks, as after a start. */
  open(allow?: readonly string[]): Blocks;
}

async function createRig(change: Partial<FeedQueue> = {}): Promise<Rig> {
  const [log, folder] = [await createLog(), await createFolder()];
  const disk = createMemoryDisk();
  const clock = SYSTEM_CLOCK;
  const queue = Object.assign(new EmbeddedQueue({ disk, clock, maxEntries: () => 9, onTrouble: () => {} }), change);
  const told: Message[] = [];
  const status = { queue: { type: 'embedded', depth: 0, oldestSeconds: 0 }, smc: null };
  const configWith = (allow: readonly string[]): Config =>
    ({
      file: join(folder.path, 'gateway.yaml'),
      feeds: { stateDir: folder.path },
      blockList: { allow },
    }) as unknown as Config;
  return {
    ...{ queue, told, configWith },
    open: (allow = []) =>
      new Blocks({
        config: configWith(allow),
        log: log.log,
        feed: { queue, status: () => status, own: () => new Set(['192.0.2.250']) },
        tell: (message) => told.push(message),
      }),
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function find(queue: FeedQueue, address: string): Promise<void> {
  await queue.put([{ address, source: 'guardduty', type: 'T', untilMs: Date.now() + 60_000, findings: 1 }]);
}

describe('what is blocked', () => {
  test('by an operator is blocked again after a restart, from the first worker on', async () => {
    await using rig = await createRig();
    {
      await using blocks = rig.open();
      expect(await blocks.block('192.0.2.1', 60_000)).toMatchObject({ ok: true });
      expect(await blocks.block('192.0.2.0/24', undefined)).toMatchObject({ ok: false, reason: 'guarded' });
      expect(await blocks.block('198.51.100.0/24', undefined)).toMatchObject({ ok: true });
    }
    await using again = rig.open();
    expect(again.snapshot.networks).toEqual(['192.0.2.1', '198.51.100.0/24']);
    expect(again.counts).toEqual(
      new Map([
        ['guardduty', 0],
        ['manual', 2],
        ['file', 0],
      ]),
    );
  });

  test('by a feed is lifted by an operator, here and in the queue, at once', async () => {
    await using rig = await createRig();
    await using blocks = rig.open();
    await find(rig.queue, '198.51.100.7');
    expect(blocks.snapshot.addresses).toEqual([['198.51.100.7', 'guardduty:T']]);
    expect(blocks.counts.get('guardduty')).toBe(1);
    expect(await blocks.unblock('198.51.100.7')).toEqual({ ok: true });
    expect(rig.queue.find('198.51.100.7')).toBeUndefined();
    expect(rig.told).toEqual([{ type: 'feed-blocked', blocked: [], lifted: ['198.51.100.7'] }]);
    expect(await blocks.unblock('198.51.100.7')).toMatchObject({ ok: false, reason: 'unknown' });
    expect(await blocks.unblock('nonsense')).toMatchObject({ ok: false, reason: 'invalid' });
  });

  test('by both is lifted by one word', async () => {
    await using rig = await createRig();
    await using blocks = rig.open();
    await find(rig.queue, '2001:db8::7');
    await blocks.block('2001:db8:0::7', undefined);
    expect(await blocks.unblock('2001:DB8::7')).toEqual({ ok: true });
    expect(blocks.report(10).entries).toEqual([]);
  });

  test('stays blocked where the queue cannot be written, and says so', async () => {
    const remove = async (): Promise<boolean> => {
      throw new FeedUnavailableError({ detail: 'the disk is full', retryAfterSeconds: 10 });
    };
    await using rig = await createRig({ remove });
    await using blocks = rig.open();
    await find(rig.queue, '198.51.100.7');
    expect(await blocks.unblock('198.51.100.7')).toMatchObject({
      ...{ ok: false, reason: 'unavailable' },
      detail: expect.stringContaining('the disk is full'),
    });
  });

  test('is lifted when a configuration allows it, at a reload and at a start', async () => {
    await using rig = await createRig();
    {
      await using blocks = rig.open();
      await blocks.block('192.0.2.1', undefined);
      await blocks.block('192.0.2.2', undefined);
      await blocks.block('192.0.2.3', undefined);
      blocks.follow(rig.configWith(['192.0.2.1']));
      expect(blocks.snapshot.networks).toEqual(['192.0.2.2', '192.0.2.3']);
      expect(await blocks.block('192.0.2.1', undefined)).toMatchObject({ ok: false, reason: 'guarded' });
    }
    await using again = rig.open(['192.0.2.2/31']);
    expect(again.snapshot.networks).toEqual([]);
  });
});
