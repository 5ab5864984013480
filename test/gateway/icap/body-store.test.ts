import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BodyStore } from '../../../src/gateway/icap/body-store.ts';

const PAGE_BYTES = 16 * 1024;
const sizes = fc.array(
  fc.oneof(fc.constantFrom(0, 1, PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1), fc.nat(3 * PAGE_BYTES)),
  { maxLength: 8 },
);

/** Pieces that differ from each other and from byte to byte. */
function piecesOf(lengths: readonly number[]): readonly Buffer[] {
  return lengths.map((length, seed) => Buffer.from(Uint8Array.from({ length }, (_, index) => seed * 31 + index * 7)));
}

describe('a body that is kept', () => {
  test('comes out as it came in, however it was cut', () => {
    fc.assert(
      fc.property(sizes, (lengths) => {
        const store = new BodyStore();
        const pieces = piecesOf(lengths);
        for (const piece of pieces) store.append(piece);
        const whole = Buffer.concat(pieces);
        expect(Buffer.concat(store.pieces()).equals(whole)).toBe(true);
        expect([store.receivedBytes, store.isWhole]).toEqual([whole.length, true]);
        store.forget();
      }),
    );
  });

  test('does not change with the buffer it was read into', () => {
    const store = new BodyStore();
    const piece = Buffer.from('before');
    store.append(piece);
    piece.fill('x');
    expect(store.pieces().map(String)).toEqual(['before']);
  });

  test('in tiny pieces takes no more memory than in one', () => {
    const store = new BodyStore();
    for (let i = 0; i < 1_000; i += 1) store.append(Buffer.from('x'));
    expect(store.pieces()).toHaveLength(1);
  });
});

describe('a body that is given up', () => {
  test.each([
    ['by forgetting it', (store: BodyStore) => store.forget(), 3],
    ['by skipping some of it', (store: BodyStore) => store.skip(5), 8],
  ] as const)('%s is counted further, and nothing of it is kept', (_, giveUp, receivedBytes) => {
    const store = new BodyStore();
    store.append(Buffer.from('abc'));
    giveUp(store);
    expect([store.isWhole, store.pieces(), store.receivedBytes]).toEqual([false, [], receivedBytes]);
    store.append(Buffer.from('de'));
    store.skip(1);
    expect([store.isWhole, store.pieces(), store.receivedBytes]).toEqual([false, [], receivedBytes + 3]);
  });

  test('leaves its memory to the next one, and to one only', () => {
    const [first, second, third] = [new BodyStore(), new BodyStore(), new BodyStore()];
    first.append(Buffer.from('first'));
    first.forget();
    first.forget();
    second.append(Buffer.from('second'));
    third.append(Buffer.from('third'));
    expect([second, third].map((store) => Buffer.concat(store.pieces()).toString())).toEqual(['second', 'third']);
  });
});
