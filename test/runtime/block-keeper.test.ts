import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Block } from '../../src/policy/block-list.ts';
import { BlockKeeper } from '../../src/runtime/block-keeper.ts';
import { createLog, type TestLog } from '../_util/observe-log.ts';

const NEVER = '192.0.2.99';

interface Rig extends AsyncDisposable {
  readonly keeper: BlockKeeper;
  readonly file: TestLog;
  /** What the workers were told, in order. */
  readonly told: readonly (readonly string[])[];
}

async function createRig(kept: readonly Block[] = []): Promise<Rig> {
  const file = await createLog();
  const told: (readonly string[])[] = [];
  const keeper = new BlockKeeper({
    log: file.log,
    kept,
    objection: (address) => (address === NEVER ? 'it is ours' : undefined),
    onChange: (addresses) => told.push(addresses),
  });
  return {
    ...{ keeper, file, told },
    async [Symbol.asyncDispose]() {
      keeper[Symbol.dispose]();
      await file[Symbol.asyncDispose]();
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: Date.UTC(2026, 10, 20) });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the keeper of blocks', () => {
  test('finds an address again however it is spelt', async () => {
    await using rig = await createRig();
    expect(rig.keeper.block('2001:DB8:0:0::1', undefined)).toEqual({ ok: true, address: '2001:db8::1', until: null });
    expect(rig.keeper.block('10.0.0.0/08', undefined)).toMatchObject({ address: '10.0.0.0/8' });
    expect(rig.keeper.unblock('2001:db8::0001')).toEqual({ ok: true });
    expect(rig.told).toEqual([['2001:db8::1'], ['2001:db8::1', '10.0.0.0/8'], ['10.0.0.0/8']]);
  });

  test.each([
    ['2001:db8::5/64', '2001:db8::/64', '2001:DB8:0:0:1::/64'],
    ['192.0.2.7/24', '192.0.2.0/24', '192.0.2.255/24'],
    ['192.0.2.129/25', '192.0.2.128/25', '192.0.2.130/25'],
    ['::ffff:192.0.2.9/120', '192.0.2.0/24', '192.0.2.0/24'],
    ['192.0.2.7/32', '192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7/128', '192.0.2.7', '192.0.2.7/32'],
    ['2001:db8::7/128', '2001:db8::7', '2001:db8::7'],
    ['::ffff:192.0.2.9/64', '::/64', '::1/64'],
    ['192.0.2.9/0', '0.0.0.0/0', '0.0.0.0/0'],
  ])('knows %s as %s, and finds it again as %s', async (written, network, again) => {
    await using rig = await createRig();
    expect(rig.keeper.block(written, undefined)).toMatchObject({ ok: true, address: network });
    expect(rig.keeper.block(again, undefined)).toMatchObject({ ok: true, address: network });
    expect(rig.keeper.addresses).toEqual([network]);
    expect(rig.keeper.unblock(again)).toEqual({ ok: true });
  });

  test('lets in again whose time is over, however long that is', async () => {
    await using rig = await createRig();
    rig.keeper.block('192.0.2.1', 10_000);
    const day = 24 * 60 * 60 * 1000;
    rig.keeper.block('192.0.2.2', 40 * day);
    expect(rig.keeper.blocked).toEqual([
      { address: '192.0.2.1', until: '2026-11-20T00:00:10.000Z' },
      { address: '192.0.2.2', until: '2026-12-30T00:00:00.000Z' },
    ]);
    vi.advanceTimersByTime(9_999);
    expect(rig.keeper.addresses).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(rig.told.at(-1)).toEqual(['192.0.2.2']);
    vi.advanceTimersByTime(39 * day);
    expect(rig.keeper.addresses).toHaveLength(1);
    vi.advanceTimersByTime(day);
    expect(rig.told.at(-1)).toEqual([]);
    vi.useRealTimers();
    expect((await rig.file.events()).map(({ event, address, cause }) => [event, address, cause])).toEqual([
      ['address-blocked', '192.0.2.1', undefined],
      ['address-blocked', '192.0.2.2', undefined],
      ['address-unblocked', '192.0.2.1', 'expired'],
      ['address-unblocked', '192.0.2.2', 'expired'],
    ]);
  });

  test('holds what was blocked before a restart, for the rest of its time', async () => {
    const nowMs = Date.now();
    await using rig = await createRig([
      { address: '192.0.2.1', sinceMs: nowMs - 5000, untilMs: nowMs + 1000 },
      { address: '192.0.2.2', sinceMs: nowMs - 5000, untilMs: nowMs },
    ]);
    expect(rig.keeper.blocks).toEqual([{ address: '192.0.2.1', sinceMs: nowMs - 5000, untilMs: nowMs + 1000 }]);
    vi.advanceTimersByTime(1000);
    expect(rig.told).toEqual([[]]);
  });

  test('refuses what is never blocked, and lifts what is never blocked from now on', async () => {
    await using rig = await createRig();
    expect(rig.keeper.block(NEVER, undefined)).toEqual({ ok: false, reason: 'guarded', detail: 'it is ours' });
    rig.keeper.block('192.0.2.1', undefined);
    rig.keeper.block('192.0.2.2', undefined);
    rig.keeper.lift((address) => (address === '192.0.2.1' ? 'allowed' : undefined));
    rig.keeper.lift(() => undefined);
    expect(rig.told).toEqual([['192.0.2.1'], ['192.0.2.1', '192.0.2.2'], ['192.0.2.2']]);
    vi.useRealTimers();
    expect((await rig.file.events()).at(-1)).toMatchObject({ event: 'address-unblocked', cause: 'allowed' });
  });

  test.each(['', 'nonsense', '192.0.2.256', '192.0.2.1/33', '192.0.2.1:80', '\u001b[2J', 'x'.repeat(4000)])(
    'refuses %j',
    async (text) => {
      await using rig = await createRig();
      for (const result of [rig.keeper.block(text, undefined), rig.keeper.unblock(text)]) {
        expect(result).toMatchObject({
          ok: false,
          reason: 'invalid',
          detail: expect.stringContaining('write 192.0.2.1'),
        });
      }
      expect(rig.told).toEqual([]);
    },
  );

  test('says when what is to be unblocked is not blocked, or no more can be', async () => {
    await using rig = await createRig();
    expect(rig.keeper.unblock('192.0.2.1')).toMatchObject({
      ok: false,
      reason: 'unknown',
      detail: '192.0.2.1 is not blocked',
    });
    for (let index = 0; index < 4096; index += 1) rig.keeper.block(`10.0.${index >> 8}.${index & 255}`, undefined);
    expect(rig.keeper.block('192.0.2.1', undefined)).toMatchObject({ ok: false, reason: 'full' });
  });
});
