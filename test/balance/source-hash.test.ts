import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSourceHash } from '../../src/balance/source-hash.ts';
import { candidatesOf, describePolicy, type NamedCandidate } from './policy.contract.ts';

const CLIENTS = Array.from({ length: 2_000 }, (_, i) => `203.0.${i >> 8}.${i & 255}`);

function owners(candidates: readonly NamedCandidate[]): Map<string, string> {
  const policy = createSourceHash();
  const [first, ...rest] = candidates;
  if (first === undefined) throw new RangeError('no candidates');
  return new Map(
    CLIENTS.map((hashKey) => [hashKey, policy.choose([first, ...rest], { ticket: 0, hashKey, random: () => 0 }).name]),
  );
}

describe('source hash', () => {
  describePolicy(createSourceHash);

  test('neither the ticket nor chance moves a client', () => {
    const policy = createSourceHash();
    const candidates = candidatesOf([1, 1, 1, 1]);
    const once = policy.choose(candidates, { ticket: 0, hashKey: '192.0.2.1', random: () => 0 });
    expect(policy.choose(candidates, { ticket: 99, hashKey: '192.0.2.1', random: () => 0.9 })).toBe(once);
  });

  test('losing a member moves its clients only', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 65_536 }), { minLength: 2, maxLength: 10 });
    fc.assert(
      fc.property(weights, fc.nat(9), (shares, victim) => {
        const all = candidatesOf(shares);
        const lost = all[victim % all.length]?.name;
        const before = owners(all);
        const after = owners(all.filter(({ name }) => name !== lost));
        for (const [client, owner] of before) if (owner !== lost) expect(after.get(client)).toBe(owner);
      }),
      { seed: 5, numRuns: 15 },
    );
  });

  test('the clients of a lost member spread over all that are left', () => {
    const before = owners(candidatesOf([1, 1, 1, 1]));
    const after = owners(candidatesOf([1, 1, 1, 1]).filter(({ name }) => name !== 'b'));
    const heirs = CLIENTS.filter((client) => before.get(client) === 'b').map((client) => after.get(client));
    for (const heir of ['a', 'c', 'd']) {
      expect(heirs.filter((name) => name === heir).length / heirs.length).toBeCloseTo(1 / 3, 1);
    }
  });

  test('a heavier weight only draws clients towards itself', () => {
    const before = owners(candidatesOf([256, 256, 256]));
    const after = owners(candidatesOf([256, 512, 256]));
    for (const [client, owner] of before) expect([owner, 'b']).toContain(after.get(client));
  });
});
