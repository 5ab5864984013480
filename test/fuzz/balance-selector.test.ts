import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createPolicy, type PolicyName } from '../../src/balance/create-policy.ts';
import type { MemberState } from '../../src/balance/member-state.ts';
import type { Member } from '../../src/balance/policy.ts';
import { PoolState } from '../../src/balance/pool-state.ts';
import { Selector } from '../../src/balance/selector.ts';
import { slotOf } from '../_util/balance-slot.ts';
import { seededRandom } from '../_util/health-random.ts';

interface Seat {
  readonly priority: number;
  readonly maxConnections: number;
  readonly weight: number;
  readonly state: MemberState;
  readonly active: number;
  /** Idle connections of the picking worker, and of the other one. */
  readonly idle: readonly [number, number];
  readonly isPaused: boolean;
  readonly isAllowed: boolean;
}

const NOW_MS = 1_000_000;

const seat: fc.Arbitrary<Seat> = fc.record({
  priority: fc.nat(2),
  maxConnections: fc.nat(3),
  weight: fc.constantFrom(0, 1, 26, 256, 700, 65_536),
  state: fc.constantFrom('unused', 'up', 'down', 'ejected', 'drain', 'maint'),
  active: fc.nat(3),
  idle: fc.tuple(fc.nat(2), fc.nat(2)),
  isPaused: fc.boolean(),
  isAllowed: fc.boolean(),
});
const policy: fc.Arbitrary<PolicyName> = fc.constantFrom(
  'round-robin',
  'least-connections',
  'random-two',
  'source-hash',
  'header-hash',
);

function poolOf(seats: readonly Seat[]): { readonly state: PoolState; readonly members: readonly Member[] } {
  const state = PoolState.create(seats.length, 2);
  const members = seats.map(({ priority, maxConnections, weight, state: visible, active, idle, isPaused }, slot) => {
    state.setState(slot, visible);
    state.setWeight(slot, weight);
    // Of a member without a limit nothing can be full, so the cap of a saturation is lifted again.
    if (isPaused) state.recordSaturation(slot, NOW_MS - 1_000, 2_000);
    state.recordAnswer(slot, NOW_MS);
    state.setLimit(slot, maxConnections);
    for (const [worker, count] of idle.entries()) {
      for (let i = 0; i < count; i += 1) state.acquire(slot, 0, worker);
      for (let i = 0; i < count; i += 1) state.giveIdle(slot, worker);
    }
    for (let i = 0; i < active; i += 1) state.acquire(slot, 0, 1);
    return { slot, backend: slot, priority, maxConnections, weight, key: `10.0.0.${slot}:1344` };
  });
  return { state, members };
}

/** Whether a client may be sent there, from the contract and not from the code. */
function isOpen({ maxConnections, active, idle }: Seat): boolean {
  if (maxConnections === 0) return true;
  return idle[0] > 0 ? active < maxConnections : active + idle[1] < maxConnections;
}

describe('any pool, any policy', () => {
  test('a pick is open, untried, allowed, the best there is, and counted once', () => {
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
          const request = {
            ...{ hashKey, tried: new Set(tried), random: seededRandom(seed), nowMs: NOW_MS },
            allows: ({ slot }: Member) => seats[slot]?.isAllowed === true,
          };
          const hasAny = selector.has(request);
          const picked = selector.pick(request);

          const left = seats.filter(({ weight, isAllowed }, slot) => {
            return weight > 0 && isAllowed && !tried.includes(slot);
          });
          const up = left.filter((each) => each.state === 'up');
          const sick = left.filter((each) => each.state === 'down' || each.state === 'ejected');
          const eligible = (up.length > 0 ? up : sick).filter(isOpen);
          const rested = eligible.filter(({ isPaused }) => up.length === 0 || !isPaused);
          const best = rested.length > 0 ? rested : eligible;

          expect(hasAny).toBe(up.length > 0);
          const slot = slotOf(picked);
          if (picked === undefined || picked === 'full') {
            expect(best).toEqual([]);
            expect(slot).toBe(up.length > 0 ? 'full' : 'nobody');
          } else {
            const chosen = seats[picked.member.slot];
            expect(best).toContain(chosen);
            expect(chosen?.priority).toBe(Math.min(...best.map(({ priority }) => priority)));
            expect(picked.lastResort).toBe(up.length === 0);
            expect(picked.reuse).toBe((chosen?.idle[0] ?? 0) > 0);
          }
          for (const [index, { active, idle }] of seats.entries()) {
            const isPicked = index === slot;
            expect(state.activeOf(index)).toBe(active + Number(isPicked));
            expect(state.idleOf(index)).toBe(idle[0] + idle[1] - Number(isPicked && idle[0] > 0));
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
          if (picked === undefined || picked === 'full') break;
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
