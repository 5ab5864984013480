import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
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
  readonly told: Message[];
  /** The addresses of the gateway from here on. */
  own: readonly string[];
  configWith(allow: readonly string[], file?: string): Config;
  /** The gateway's blocks, as after a start. */
  open(allow?: readonly string[], file?: string): Blocks;
  /** Writes a list for `block-list.file`, and returns where it is. */
  list(text: string): string;
}

async function createRig(change: Partial<FeedQueue> = {}): Promise<Rig> {
  const [log, folder] = [await createLog(), await createFolder()];
  const disk = createMemoryDisk();
  const clock = SYSTEM_CLOCK;
  const queue = Object.assign(new EmbeddedQueue({ disk, clock, maxEntries: () => 9, onTrouble: () => {} }), change);
  const told: Message[] = [];
  const status = { queue: { type: 'embedded', depth: 0, oldestSeconds: 0 }, smc: null, trouble: undefined };
  const configWith = (allow: readonly string[], file?: string): Config =>
    ({
      file: join(folder.path, 'gateway.yaml'),
      feeds: { stateDir: folder.path },
      blockList: { allow, file },
      services: [{}],
    }) as unknown as Config;
  const rig: Rig = {
    ...{ queue, told, configWith },
    own: ['192.0.2.250'],
    open: (allow = [], file) =>
      new Blocks({
        config: configWith(allow, file),
        log: log.log,
        feed: { queue, status: () => status, own: () => new Set(rig.own) },
        tell: (message) => told.push(message),
      }),
    list(text) {
      const file = join(folder.path, 'blocked.txt');
      writeFileSync(file, text);
      return file;
    },
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
  return rig;
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

  test('by an operator where no clients come turns nobody away, which is said', async () => {
    await using rig = await createRig();
    await using blocks = rig.open();
    expect(await blocks.block('192.0.2.1', undefined)).not.toHaveProperty('warning');
    blocks.follow({ ...rig.configWith([]), services: [] });
    const warning = expect.stringMatching(/^it turns nobody away here: .*block it at a gateway, or in the SMC$/);
    expect(await blocks.block('192.0.2.2', undefined)).toEqual({
      ...{ ok: true, address: '192.0.2.2', until: null },
      warning,
    });
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

  test.each(['198.51.100.7/32', '::ffff:198.51.100.7/128', '::ffff:198.51.100.7'])(
    'is lifted by %s too',
    async (text) => {
      await using rig = await createRig();
      await using blocks = rig.open();
      await find(rig.queue, '198.51.100.7');
      await blocks.block(text, undefined);
      expect(await blocks.unblock(text)).toEqual({ ok: true });
      expect(blocks.report(10).entries).toEqual([]);
    },
  );

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

describe('what comes to be our own', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('is lifted within a second, and in the middle of a network exempt', async () => {
    await using rig = await createRig();
    await using blocks = rig.open();
    await blocks.block('198.51.100.7', undefined);
    await blocks.block('203.0.113.0/24', undefined);
    vi.advanceTimersByTime(5000);
    expect(blocks.snapshot.networks).toEqual(['198.51.100.7', '203.0.113.0/24']);
    rig.told.length = 0;
    rig.own = ['203.0.113.5', '198.51.100.7', '192.0.2.250'];
    vi.advanceTimersByTime(1000);
    const exempt = ['192.0.2.250', '198.51.100.7', '203.0.113.5'];
    expect(blocks.snapshot).toMatchObject({ networks: ['203.0.113.0/24'], exempt });
    expect(rig.told).toEqual([
      { type: 'blocked', networks: ['203.0.113.0/24'] },
      { type: 'listed', listed: { addresses: [], networks: [] }, exempt },
    ]);
    // The same in another order is nothing new.
    rig.own = rig.own.toReversed();
    vi.advanceTimersByTime(1000);
    expect(rig.told).toHaveLength(2);
  });

  test('is left out of what the file blocks', async () => {
    await using rig = await createRig();
    await using blocks = rig.open([], rig.list('198.51.100.7\n198.51.100.8\n'));
    rig.own = ['198.51.100.7'];
    vi.advanceTimersByTime(1000);
    expect(blocks.snapshot.listed.addresses).toEqual(['198.51.100.8']);
    expect(rig.told.at(-1)).toMatchObject({ listed: { addresses: ['198.51.100.8'] }, exempt: ['198.51.100.7'] });
  });
});

describe('what the file of operators blocks', () => {
  test('is counted, listed and told to workers, and lifted by what is allowed', async () => {
    await using rig = await createRig();
    const file = rig.list('198.51.100.7\n203.0.113.0/24\n192.0.2.250\n');
    await using blocks = rig.open([], file);
    expect(blocks.snapshot.listed).toEqual({ addresses: ['198.51.100.7'], networks: ['203.0.113.0/24'] });
    expect(blocks.counts.get('file')).toBe(2);
    expect(blocks.report(10).entries.map(({ ip, source, until, relay }) => [ip, source, until, relay])).toEqual([
      ['198.51.100.7', 'file', null, 'off'],
      ['203.0.113.0/24', 'file', null, 'off'],
    ]);
    blocks.follow(rig.configWith(['203.0.113.0/24', '198.51.100.0/25'], file));
    expect(blocks.counts.get('file')).toBe(0);
    expect(rig.told.at(-1)).toEqual({
      type: 'listed',
      listed: { addresses: [], networks: [] },
      exempt: ['203.0.113.0/24', '198.51.100.0/25', '192.0.2.250'],
    });
    blocks.follow(rig.configWith([], undefined));
    expect(blocks.snapshot.listed).toEqual({ addresses: [], networks: [] });
  });

  test('is not lifted by a word, which says where it stands', async () => {
    await using rig = await createRig();
    const file = rig.list('# ours\n198.51.100.7\n2001:db8::7\n');
    await using blocks = rig.open([], file);
    await blocks.block('198.51.100.7', undefined);
    for (const address of ['198.51.100.7', '2001:DB8:0::7']) {
      expect(await blocks.unblock(address)).toEqual({
        ...{ ok: false, reason: 'guarded' },
        detail: `${address} stays blocked by ${file}, line ${address.startsWith('1') ? 2 : 3}: take it out there`,
      });
    }
    expect(blocks.snapshot.networks).toEqual([]);
  });
});
