import { describe, expect, test } from 'vitest';
import { SlotRange } from '../../src/balance/slot-range.ts';

const idle = () => false;

describe('the slots of a backend', () => {
  test('are given out in order', () => {
    expect([...new SlotRange(4, 3).assign(['a', 'b'], idle).slots]).toEqual([
      ['a', 4],
      ['b', 5],
    ]);
  });

  test('an address keeps its slot while others come and go', () => {
    const range = new SlotRange(0, 3);
    range.assign(['a', 'b', 'c'], idle);
    expect([...range.assign(['d', 'c'], idle).slots]).toEqual([
      ['d', 0],
      ['c', 2],
    ]);
  });

  test('an address that comes back has no claim to its old slot', () => {
    const range = new SlotRange(0, 1);
    range.assign(['a'], idle);
    range.assign(['b'], idle);
    expect(range.assign(['b', 'a'], idle)).toEqual({ slots: new Map([['b', 0]]), ignored: ['a'] });
  });

  test('a slot that old connections still hold is given out last', () => {
    const range = new SlotRange(0, 3);
    range.assign(['a', 'b', 'c'], idle);
    const busy = (slot: number) => slot === 0;
    const { slots } = range.assign(['d', 'e', 'f'], busy);
    expect([...slots]).toEqual([
      ['d', 1],
      ['e', 2],
      ['f', 0],
    ]);
  });

  test('addresses beyond the last slot are named', () => {
    const { slots, ignored } = new SlotRange(0, 2).assign(['a', 'b', 'c', 'd'], idle);
    expect([slots.size, ignored]).toEqual([2, ['c', 'd']]);
  });
});
