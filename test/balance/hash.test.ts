import { expect, test } from 'vitest';
import { hashText, joinHashes } from '../../src/balance/hash.ts';

test('texts that differ in one digit have hashes that differ in about half of the bits', () => {
  let bits = 0;
  for (let i = 0; i < 1_000; i += 1) {
    let difference = hashText(`10.0.${i}.1`) ^ hashText(`10.0.${i}.2`);
    for (; difference !== 0; difference &= difference - 1) bits += 1;
  }
  expect(bits / 1_000).toBeCloseTo(16, 0);
});

test('the order of two hashes matters when they are joined', () => {
  expect(joinHashes(1, 2)).not.toBe(joinHashes(2, 1));
});

test.each(['', 'a', '2001:db8::1', '\u{1f600}'])('the hash of %j is an unsigned 32-bit integer', (text) => {
  const hash = hashText(text);
  expect(hash).toBe(hash >>> 0);
});
