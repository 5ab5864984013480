import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashText } from '../../src/balance/hash.ts';
import type { Candidate, Candidates, Draw, Policy } from '../../src/balance/policy.ts';
import { seededRandom } from '../_util/health-random.ts';

export interface NamedCandidate extends Candidate {
  readonly name: string;
}

/** Candidates a, b, c, ... with these weights, holding nothing unless told. */
export function candidatesOf(weights: readonly number[], active: readonly number[] = []): Candidates<NamedCandidate> {
  const all = weights.map((weight, i) => {
    const name = i < 26 ? String.fromCharCode(97 + i) : `m${i}`;
    return { name, hash: hashText(`10.0.0.${i}:1344`), weight, active: active[i] ?? 0 };
  });
  const [first, ...rest] = all;
  if (first === undefined) throw new RangeError('a choice needs candidates');
  return [first, ...rest];
}

/** One draw after the other, as one client after the other would make them. */
export function* draws(seed = 1): Generator<Draw, never> {
  const random = seededRandom(seed);
  for (let ticket = 0; ; ticket += 1) yield { ticket, hashKey: `192.0.2.${ticket}`, random };
}

/** How many of `count` draws each candidate got, in their order. */
export function countChoices(policy: Policy, candidates: Candidates<NamedCandidate>, count: number): number[] {
  const chosen = new Map<NamedCandidate, number>();
  const stream = draws();
  for (let i = 0; i < count; i += 1) {
    const winner = policy.choose(candidates, stream.next().value);
    chosen.set(winner, (chosen.get(winner) ?? 0) + 1);
  }
  return candidates.map((candidate) => chosen.get(candidate) ?? 0);
}

/** What every policy owes to the selector, whatever its idea of fairness. */
export function describePolicy(create: () => Policy): void {
  const member = fc.record({
    weight: fc.integer({ min: 1, max: 65_536 }),
    active: fc.integer({ min: 0, max: 10_000 }),
  });
  const pool = fc.array(member, { minLength: 1, maxLength: 40 });
  const ticket = fc.integer({ min: 0, max: 2 ** 32 - 1 });

  describe('as any policy', () => {
    test('it chooses one of the candidates and leaves them as they were', () => {
      fc.assert(
        fc.property(pool, ticket, fc.string(), fc.integer(), (members, drawn, hashKey, seed) => {
          const candidates = candidatesOf(
            members.map(({ weight }) => weight),
            members.map(({ active }) => active),
          );
          const before = structuredClone(candidates);
          const chosen = create().choose(candidates, { ticket: drawn, hashKey, random: seededRandom(seed) });
          expect(candidates).toContain(chosen);
          expect(candidates).toEqual(before);
        }),
        { seed: 7, numRuns: 200 },
      );
    });

    test('equal draws give equal choices, in any worker', () => {
      fc.assert(
        fc.property(pool, ticket, fc.string(), (members, drawn, hashKey) => {
          const candidates = candidatesOf(members.map(({ weight }) => weight));
          const choose = () => create().choose(candidates, { ticket: drawn, hashKey, random: seededRandom(3) });
          expect(choose()).toBe(choose());
        }),
        { seed: 7, numRuns: 100 },
      );
    });

    test.each([{ weights: [256, 256, 256] }, { weights: [768, 256] }, { weights: [26, 256, 256, 1024] }])(
      'idle members get shares in proportion to the weights $weights',
      ({ weights }) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const counts = countChoices(create(), candidatesOf(weights), 20_000);
        for (const [i, count] of counts.entries()) {
          expect(count / 20_000).toBeCloseTo((weights[i] ?? 0) / total, 1.7);
        }
      },
    );
  });
}
