import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createPolicy, type PolicyName } from '../../src/balance/create-policy.ts';
import type { Member } from '../../src/balance/policy.ts';
import { type MemberState, PoolState } from '../../src/balance/pool-state.ts';
import { Selector } from '../../src/balance/selector.ts';
import { seededRandom } from '../_util/health-random.ts';

interface Seat {
  readonly priority: number;
  readonly maxConnections: number;
  readonly weight: number;
  readonly state: MemberState;
  readonly active: number;
}

const seat: fc.Arbitrary<Seat> = fc.record({
  priority: fc.nat(2),
  maxConnections: fc.nat(3),
  weight: fc.constantFrom(0, 1, 26, 256, 700, 65_536),
  state: fc.constantFrom('unused', 'up', 'down', 'ejected', 'drain', 'maint'),
  active: fc.nat(3),
});
const policy: fc.Arbitrary<PolicyName> = fc.constantFrom(
  'round-robin',
  'least-connections',
  'random-two',
  'source-hash',
);

function poolOf(seats: readonly Seat[]): { readonly state: PoolState; readonly members: readonly Member[] } {
  const state = PoolState.create(seats.length, 2);
  const members = seats.map(({ priority, maxConnections, weight, state: visible, active }, slot) => {
    state.setState(slot, visible);
    state.setWeight(slot, weight);
    for (let i = 0; i < active; i += 1) state.acquire(slot, 0, 1);
    return { slot, backend: slot, priority, maxConnections, weight, key: `10.0.0.${slot}:1344` };
  });
  return { state, members };
}

/** Whether a client may be sent there, from the contract and not from the code. */
function isOpen({ weight, maxConnections, active }: Seat): boolean {
  return weight > 0 && (maxConnections === 0 || active < maxConnections);
}

describe('any pool, any policy', () => {
  test('a pick is open, untried, of the lowest priority there is, and counted once', () => {
    fc.assert(
      fc.property(
        fc.array(seat, { minLength: 1, maxLength: 12 }),
        policy,
        fc.uniqueArray(fc.nat(11)),
        fc.string(),
        fc.integer(),
        (seats, name, tried, hashKey, seed) => {
          const { state, members } = poolOf(seats);
          const selector = new Selector({ policy: createPolicy(name), members, state, worker: 0 });
          const picked = selector.pick({ hashKey, tried: new Set(tried), random: seededRandom(seed) });

          const left = seats.flatMap((each, slot) => (tried.includes(slot) || each.weight === 0 ? [] : [each]));
          const up = left.filter((each) => each.state === 'up');
          const sick = left.filter((each) => each.state === 'down' || each.state === 'ejected');
          const eligible = (up.length > 0 ? up : sick).filter(isOpen);

          if (picked === undefined) {
            expect(eligible).toEqual([]);
          } else {
            const chosen = seats[picked.member.slot];
            expect(eligible).toContain(chosen);
            expect(chosen?.priority).toBe(Math.min(...eligible.map(({ priority }) => priority)));
            expect(picked.lastResort).toBe(up.length === 0);
          }
          for (const [slot, { active }] of seats.entries()) {
            expect(state.activeOf(slot)).toBe(active + Number(picked?.member.slot === slot));
          }
        },
      ),
      { seed: 17, numRuns: 2_000 },
    );
  });

  test('a client that fails everywhere sees every member that could take it once, and then an end', () => {
    fc.assert(
      fc.property(fc.array(seat, { minLength: 1, maxLength: 12 }), policy, fc.integer(), (seats, name, seed) => {
        const { state, members } = poolOf(seats.map((each) => ({ ...each, maxConnections: 0 })));
        const selector = new Selector({ policy: createPolicy(name), members, state, worker: 0 });
        const tried = new Set<number>();
        const random = seededRandom(seed);
        for (;;) {
          const picked = selector.pick({ hashKey: 'client', tried, random });
          if (picked === undefined) break;
          expect(tried).not.toContain(picked.member.slot);
          tried.add(picked.member.slot);
          state.release(picked.member.slot, 0);
        }
        const able = seats.flatMap(({ state: visible, weight }, slot) => {
          return weight > 0 && ['up', 'down', 'ejected'].includes(visible) ? [slot] : [];
        });
        expect([...tried].toSorted((a, b) => a - b)).toEqual(able);
      }),
      { seed: 17, numRuns: 500 },
    );
  });
});
