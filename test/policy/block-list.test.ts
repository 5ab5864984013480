import { describe, expect, test } from 'vitest';
import { BlockList, MAX_BLOCKS } from '../../src/policy/block-list.ts';

describe('the block list', () => {
  test('holds an address until it is taken off', () => {
    const list = new BlockList();
    expect(list.add({ address: '192.0.2.1', sinceMs: 0, untilMs: undefined })).toBe(true);
    expect(list.expire(Number.MAX_SAFE_INTEGER)).toEqual([]);
    expect(list.remove('192.0.2.1')).toBe(true);
    expect(list.remove('192.0.2.1')).toBe(false);
    expect(list.blocks).toEqual([]);
  });

  test('lifts each block at its end', () => {
    const list = new BlockList();
    list.add({ address: 'a', sinceMs: 0, untilMs: 2000 });
    list.add({ address: 'b', sinceMs: 0, untilMs: 1000 });
    list.add({ address: 'c', sinceMs: 0, untilMs: undefined });
    expect(list.nextEndMs).toBe(1000);
    expect(list.expire(999)).toEqual([]);
    expect(list.expire(1000)).toEqual([{ address: 'b', sinceMs: 0, untilMs: 1000 }]);
    expect(list.nextEndMs).toBe(2000);
    list.expire(2000);
    expect(list.nextEndMs).toBeUndefined();
    expect(list.blocks).toEqual([{ address: 'c', sinceMs: 0, untilMs: undefined }]);
  });

  test('takes another end for an address it has, and keeps since when', () => {
    const list = new BlockList();
    list.add({ address: 'a', sinceMs: 0, untilMs: 1000 });
    list.add({ address: 'a', sinceMs: 500, untilMs: 5000 });
    expect(list.blocks).toEqual([{ address: 'a', sinceMs: 0, untilMs: 5000 }]);
  });

  test('is bounded, and even when full an end can be changed', () => {
    const list = new BlockList();
    for (let index = 0; index < MAX_BLOCKS; index += 1)
      list.add({ address: `a${index}`, sinceMs: 0, untilMs: undefined });
    expect(list.add({ address: 'one more', sinceMs: 0, untilMs: undefined })).toBe(false);
    expect(list.add({ address: 'a0', sinceMs: 0, untilMs: 1 })).toBe(true);
    list.expire(1);
    expect(list.add({ address: 'one more', sinceMs: 0, untilMs: undefined })).toBe(true);
    expect(list.blocks).toHaveLength(MAX_BLOCKS);
  });
});
