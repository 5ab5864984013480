import { describe, expect, test } from 'vitest';
import { SlotRange } from '../../src/balance/slot-range.ts';

const idle = () => false;

/** `a b` gets the slots of a and b: `a4 b5`. */
function assign(range: SlotRange, keys: string, isBusy: (slot: number) => boolean = idle): string {
  const keyed = keys.split(' ').map((key) => ({ key }));
  return range
    .assign(keyed, isBusy)
    .map(({ key, slot }) => `${key}${slot}`)
    .join(' ');
}

describe('the slots of a backend', () => {
  test('are given out in order', () => {
    expect(assign(new SlotRange(4, 3), 'a b')).toBe('a4 b5');
  });

  test('are kept while others come and go', () => {
    const range = new SlotRange(0, 3);
    assign(range, 'a b c');
    expect(assign(range, 'd c')).toBe('d0 c2');
  });

  test('are not kept for who may come back', () => {
    const range = new SlotRange(0, 2);
    assign(range, 'a b');
    assign(range, 'b c');
    expect(assign(range, 'c a')).toBe('c0 a1');
  });

  test('are given out last while old connections still hold them', () => {
    const range = new SlotRange(0, 3);
    assign(range, 'a b c');
    expect(assign(range, 'd e f', (slot) => slot === 0)).toBe('d1 e2 f0');
  });

  test('are as many as there are', () => {
    expect(() => assign(new SlotRange(0, 2), 'a b c')).toThrow(RangeError);
  });
});
