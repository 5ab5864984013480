import { describe, expect, test } from 'vitest';
import { createPolicy, type PolicyName } from '../../src/balance/create-policy.ts';
import type { Member, Policy } from '../../src/balance/policy.ts';
import { type MemberState, PoolState, WEIGHT_UNIT } from '../../src/balance/pool-state.ts';
import { Selector } from '../../src/balance/selector.ts';
import { seededRandom } from '../_util/health-random.ts';

interface Setup {
  readonly members: readonly Partial<Member>[];
  readonly states?: readonly MemberState[];
  readonly policy?: PolicyName;
}

function setUp({ members, states = [], policy = 'round-robin' }: Setup) {
  const state = PoolState.create(members.length, 2);
  const full = members.map((member, slot) => {
    const defaults = { slot, backend: slot, priority: 0, weight: 1, maxConnections: 0, key: `10.0.0.${slot}:1344` };
    return { ...defaults, ...member };
  });
  for (const { slot, weight } of full) {
    state.setState(slot, states[slot] ?? 'up');
    state.setWeight(slot, weight * WEIGHT_UNIT);
  }
  const random = seededRandom(1);
  const selectorOf = (worker: number) => new Selector({ policy: createPolicy(policy), members: full, state, worker });
  const selector = selectorOf(0);
  const pick = (tried: readonly number[] = [], hashKey = '192.0.2.1') =>
    selector.pick({ hashKey, tried: new Set(tried), random });
  /** Slots in the order in which a client that fails everywhere is sent to them; `!` marks the last resort. */
  const wander = () => {
    const tried: number[] = [];
    const path: string[] = [];
    for (let next = pick(tried); next !== undefined; next = pick(tried)) {
      state.release(next.member.slot, 0);
      tried.push(next.member.slot);
      path.push(`${next.member.slot}${next.lastResort ? '!' : ''}`);
    }
    return path;
  };
  return { state, selectorOf, pick, wander };
}

describe('the selector', () => {
  test('the picked member is already acquired', () => {
    const { state, pick } = setUp({ members: [{}] });
    pick();
    pick();
    expect(state.activeOf(0)).toBe(2);
  });

  test('two workers share one sequence of turns', () => {
    const { selectorOf } = setUp({ members: [{}, {}, {}] });
    const workers = [selectorOf(0), selectorOf(1)];
    const slots = [0, 1, 1, 0, 1, 0].map((worker) => {
      return workers[worker]?.pick({ hashKey: '', tried: new Set(), random: () => 0 })?.member.slot;
    });
    expect(slots).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test('a lower priority number is used first, whatever the order in the file', () => {
    const { wander } = setUp({ members: [{ priority: 2 }, { priority: 0 }, { priority: 1 }] });
    expect(wander()).toEqual(['1', '2', '0']);
  });

  test.each(['down', 'ejected', 'drain', 'maint', 'unused'] as const)(
    'the next priority takes over when the first is %s',
    (gone) => {
      const { pick } = setUp({ members: [{ priority: 0 }, { priority: 1 }], states: [gone, 'up'] });
      expect(pick()).toMatchObject({ member: { slot: 1 }, lastResort: false });
    },
  );

  test('a client is not sent twice to a member that failed it', () => {
    const { wander } = setUp({ members: [{}, {}, {}] });
    expect(wander().toSorted()).toEqual(['0', '1', '2']);
  });

  test('a failed member loads all others alike and does not disturb the turns', () => {
    const { pick } = setUp({ members: [{}, {}, {}, {}] });
    const heirs = [0, 0, 0, 0];
    const firsts: (number | undefined)[] = [];
    for (let client = 0; client < 4_000; client += 1) {
      const first = pick()?.member.slot;
      firsts.push(first);
      if (first !== 0) continue;
      const heir = pick([0])?.member.slot ?? 0;
      heirs[heir] = (heirs[heir] ?? 0) + 1;
    }
    expect(firsts.slice(0, 8)).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
    expect(heirs[0]).toBe(0);
    for (const count of heirs.slice(1)) expect(count).toBeGreaterThan(270);
  });

  test('a full member is passed over, one below its limit is not', () => {
    const { state, pick } = setUp({ members: [{ maxConnections: 2 }, { priority: 1 }] });
    const slots = [pick(), pick(), pick()].map((picked) => picked?.member.slot);
    expect(slots).toEqual([0, 0, 1]);
    state.release(0, 0);
    expect(pick()?.member.slot).toBe(0);
  });

  test('when all who are up are full there is nobody, and the sick are left alone', () => {
    const { pick } = setUp({ members: [{ maxConnections: 1 }, {}], states: ['up', 'down'] });
    expect(pick()?.member.slot).toBe(0);
    expect(pick()).toBeUndefined();
  });

  test('when nobody is up the down and the ejected are tried in priority order, as a last resort', () => {
    const { wander } = setUp({
      members: [{ priority: 1 }, { priority: 0 }, { priority: 2 }, {}, {}],
      states: ['ejected', 'down', 'down', 'drain', 'maint'],
    });
    expect(wander()).toEqual(['1!', '0!', '2!']);
  });

  test('a client whom all that are up have failed gets the last resort too', () => {
    const { wander } = setUp({ members: [{}, {}], states: ['down', 'up'] });
    expect(wander()).toEqual(['1', '0!']);
  });

  test('the last resort keeps the limits', () => {
    const { pick } = setUp({ members: [{ maxConnections: 1 }], states: ['down'] });
    expect(pick()).toMatchObject({ lastResort: true });
    expect(pick()).toBeUndefined();
  });

  test('a weight of 0 takes nothing, not even as a last resort', () => {
    const { state, pick, wander } = setUp({ members: [{ weight: 0 }, {}] });
    expect(wander()).toEqual(['1']);
    state.setState(0, 'down');
    state.setState(1, 'maint');
    expect(pick()).toBeUndefined();
  });

  test('a pool without members picks nobody', () => {
    const selector = new Selector({
      policy: createPolicy('round-robin'),
      members: [],
      state: PoolState.create(1, 1),
      worker: 0,
    });
    expect(selector.pick({ hashKey: '', tried: new Set(), random: () => 0 })).toBeUndefined();
  });

  test('least connections sees what other workers hold', () => {
    const { state, pick } = setUp({ members: [{}, {}], policy: 'least-connections' });
    for (let i = 0; i < 3; i += 1) state.acquire(0, 0, 1);
    expect([pick(), pick(), pick()].map((picked) => picked?.member.slot)).toEqual([1, 1, 1]);
  });

  test('a client with a home goes elsewhere only while its home is full', () => {
    const { state, pick } = setUp({
      members: [{ maxConnections: 1 }, { maxConnections: 1 }, { maxConnections: 1 }],
      policy: 'source-hash',
    });
    const home = pick()?.member.slot ?? -1;
    const second = pick()?.member.slot;
    expect(second).not.toBe(home);
    state.release(home, 0);
    expect(pick()?.member.slot).toBe(home);
  });

  test('a place lost to another worker between look and grasp sends the client on', () => {
    const state = PoolState.create(2, 2);
    for (const slot of [0, 1]) {
      state.setState(slot, 'up');
      state.setWeight(slot, WEIGHT_UNIT);
    }
    const greedy: Policy = {
      usesActive: false,
      choose: ([first]) => {
        if (state.activeOf(0) === 0) state.acquire(0, 1, 1);
        return first;
      },
    };
    const members = [0, 1].map((slot) => ({
      slot,
      backend: slot,
      priority: 0,
      weight: 1,
      maxConnections: 1,
      key: `${slot}`,
    }));
    const selector = new Selector({ policy: greedy, members, state, worker: 0 });
    const picked = selector.pick({ hashKey: '', tried: new Set(), random: () => 0 });
    expect(picked?.member.slot).toBe(1);
    expect([state.activeOf(0), state.activeOf(1)]).toEqual([1, 1]);
  });
});
