import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRoundRobin } from '../../src/balance/round-robin.ts';
import { candidatesOf, countChoices, describePolicy } from './policy.contract.ts';

function sequence(weights: readonly number[], count: number, firstTicket = 0): string {
  const policy = createRoundRobin();
  const candidates = candidatesOf(weights);
  const names = Array.from({ length: count }, (_, i) => {
    return policy.choose(candidates, { ticket: firstTicket + i, hashKey: '', random: () => 0 }).name;
  });
  return names.join('');
}

describe('round robin', () => {
  describePolicy(createRoundRobin);

  test.each([
    { weights: [1, 1, 1], turns: 'abcabc' },
    { weights: [256, 256], turns: 'ababab' },
    { weights: [2, 1, 1], turns: 'abacabac' },
    { weights: [3, 1], turns: 'aaabaaab' },
    { weights: [5, 1, 1], turns: 'aaabaacaaabaac' },
    { weights: [2, 2], turns: 'abab' },
  ])('weights $weights take turns as $turns', ({ weights, turns }) => {
    expect(sequence(weights, turns.length)).toBe(turns);
  });

  test('a cycle that begins anywhere gives every member exactly its weight', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(weights, fc.nat(100_000), (shares, firstTicket) => {
        const policy = createRoundRobin();
        const candidates = candidatesOf(shares.map((share) => share * 256));
        const cycle = shares.reduce((sum, share) => sum + share, 0);
        const counts = new Map(candidates.map((candidate) => [candidate.name, 0]));
        for (let ticket = firstTicket; ticket < firstTicket + cycle; ticket += 1) {
          const { name } = policy.choose(candidates, { ticket, hashKey: '', random: () => 0 });
          counts.set(name, (counts.get(name) ?? 0) + 1);
        }
        expect([...counts.values()]).toEqual(shares);
      }),
      { seed: 11, numRuns: 60 },
    );
  });

  test('at every point of a cycle a member is within its stagger of its due share', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(weights, (shares) => {
        const policy = createRoundRobin();
        const candidates = candidatesOf(shares);
        const cycle = shares.reduce((sum, share) => sum + share, 0);
        const counts = new Map(candidates.map((candidate) => [candidate, 0]));
        for (let ticket = 0; ticket < cycle; ticket += 1) {
          const chosen = policy.choose(candidates, { ticket, hashKey: '', random: () => 0 });
          counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
          for (const [candidate, count] of counts) {
            const part = candidate.weight / cycle;
            expect(Math.abs(count - (ticket + 1) * part)).toBeLessThanOrEqual(1 + (part * shares.length) / 2);
          }
        }
      }),
      { seed: 11, numRuns: 40 },
    );
  });

  test('a weight in the middle of a slow start gets its exact share of the cycle', () => {
    const counts = countChoices(createRoundRobin(), candidatesOf([26, 256, 256]), 538 / 2);
    expect(counts).toEqual([13, 128, 128]);
  });

  test('the sequence goes on across the wrap of the ticket counter', () => {
    expect(sequence([1, 1], 4, 2 ** 32 - 4)).toBe('abab');
  });
});
