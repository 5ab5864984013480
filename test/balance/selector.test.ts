import { describe, expect, test } from 'vitest';
import { createPolicy, type PolicyName } from '../../src/balance/create-policy.ts';
import type { MemberState } from '../../src/balance/member-state.ts';
import type { Member, Policy } from '../../src/balance/policy.ts';
import { PoolState, WEIGHT_UNIT } from '../../src/balance/pool-state.ts';
import { type PickRequest, Selector } from '../../src/balance/selector.ts';
import { slotOf } from '../_util/balance-slot.ts';
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
  for (const { slot, weight, maxConnections } of full) {
    state.setState(slot, states[slot] ?? 'up');
    state.setWeight(slot, weight * WEIGHT_UNIT);
    state.setLimit(slot, maxConnections);
  }
  const random = seededRandom(1);
  const selectorOf = (worker: number) => new Selector({ policy: createPolicy(policy), members: full, state, worker });
  const selector = selectorOf(0);
  const pick = (tried: readonly number[] = [], request: Partial<PickRequest> = {}) =>
    selector.pick({ hashKey: '192.0.2.1', tried: new Set(tried), random, ...request });
  /** Slots in the order in which a client that fails everywhere is sent to them; `!` marks the last resort. */
  const wander = () => {
    const tried: number[] = [];
    const path: string[] = [];
    for (let next = pick(tried); next !== undefined && next !== 'full'; next = pick(tried)) {
      state.release(next.member.slot, 0);
      tried.push(next.member.slot);
      path.push(`${next.member.slot}${next.lastResort ? '!' : ''}`);
    }
    return path;
  };
  return { state, selector, selectorOf, pick, wander };
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
      return slotOf(workers[worker]?.pick({ hashKey: '', tried: new Set(), random: () => 0 }));
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
    const firsts: (number | string)[] = [];
    for (let client = 0; client < 4_000; client += 1) {
      const first = slotOf(pick());
      firsts.push(first);
      if (first !== 0) continue;
      const heir = Number(slotOf(pick([0])));
      heirs[heir] = (heirs[heir] ?? 0) + 1;
    }
    expect(firsts.slice(0, 8)).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
    expect(heirs[0]).toBe(0);
    for (const count of heirs.slice(1)) expect(count).toBeGreaterThan(270);
  });

  test('a full member is passed over, one below its limit is not', () => {
    const { state, pick } = setUp({ members: [{ maxConnections: 2 }, { priority: 1 }] });
    expect([pick(), pick(), pick()].map(slotOf)).toEqual([0, 0, 1]);
    state.release(0, 0);
    expect(slotOf(pick())).toBe(0);
  });

  test('when all who are up are full it says so, and the sick are left alone', () => {
    const { pick } = setUp({ members: [{ maxConnections: 1 }, {}], states: ['up', 'down'] });
    expect([pick(), pick()].map(slotOf)).toEqual([0, 'full']);
  });

  test('a client whom all but a full member have failed may wait for that one', () => {
    const { pick } = setUp({ members: [{ maxConnections: 1 }, {}] });
    expect([pick([1]), pick([1]), pick([0, 1])].map(slotOf)).toEqual([0, 'full', 'nobody']);
  });

  test('the limit in force is that of the pool, which may change and be lower while a member is saturated', () => {
    const { state, pick } = setUp({ members: [{}] });
    state.setLimit(0, 2);
    expect([pick(), pick(), pick()].map(slotOf)).toEqual([0, 0, 'full']);
    state.setLimit(0, 4);
    expect(slotOf(pick())).toBe(0);
    state.recordSaturation(0, 0, 0);
    expect(slotOf(pick())).toBe('full');
  });

  test('a pick that finds no place takes no turn from the others', () => {
    const { state, pick } = setUp({ members: [{ maxConnections: 1 }] });
    for (let i = 0; i < 10; i += 1) pick();
    expect(state.nextTicket()).toBe(1);
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

  test('without the last resort the sick are as if they were not there', () => {
    const { pick } = setUp({ members: [{}, {}], states: ['down', 'up'] });
    expect(slotOf(pick([], { lastResort: false }))).toBe(1);
    expect(slotOf(pick([1], { lastResort: false }))).toBe('nobody');
    expect(pick([1], { lastResort: true })).toMatchObject({ member: { slot: 0 }, lastResort: true });
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

  test.each(['least-connections', 'random-two'] as const)('%s sees what other workers hold', (policy) => {
    const { state, pick } = setUp({ members: [{}, {}], policy });
    for (let i = 0; i < 8; i += 1) state.acquire(0, 0, 1);
    expect(Array.from({ length: 8 }, () => slotOf(pick()))).toEqual(Array(8).fill(1));
  });

  test.each(['source-hash', 'header-hash'] as const)(
    'under %s a client with a home goes elsewhere only while its home is full',
    (policy) => {
      const members = [{ maxConnections: 1 }, { maxConnections: 1 }, { maxConnections: 1 }];
      const { state, pick } = setUp({ members, policy });
      const home = Number(slotOf(pick()));
      expect([0, 1, 2].filter((slot) => slot !== home)).toContain(slotOf(pick()));
      state.release(home, 0);
      expect(slotOf(pick())).toBe(home);
    },
  );

  test('a place lost to another worker between look and grasp sends the client on', () => {
    const { state } = setUp({ members: [{ maxConnections: 1 }, { maxConnections: 1 }] });
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
    expect(slotOf(picked)).toBe(1);
    expect([state.activeOf(0), state.activeOf(1)]).toEqual([1, 1]);
  });
});

describe('a client that not every member may serve', () => {
  test('refused members are as if they were not there', () => {
    const { pick } = setUp({ members: [{}, {}, {}], states: ['up', 'up', 'down'] });
    const allows = ({ slot }: Member) => slot === 1;
    expect([pick([], { allows }), pick([], { allows })].map(slotOf)).toEqual([1, 1]);
    expect(slotOf(pick([1], { allows }))).toBe('nobody');
  });

  test('a full member that is refused is nothing to wait for', () => {
    const { pick } = setUp({ members: [{ maxConnections: 1 }] });
    pick();
    expect(slotOf(pick())).toBe('full');
    expect(slotOf(pick([], { allows: () => false }))).toBe('nobody');
  });

  test('whether there is anybody can be asked without taking a place or a turn', () => {
    const { state, selector } = setUp({ members: [{ maxConnections: 1 }, {}, {}], states: ['up', 'up', 'down'] });
    const allows = ({ slot }: Member) => slot !== 1;
    expect(selector.has({ tried: new Set(), allows })).toBe(true);
    expect(selector.has({ tried: new Set([0]), allows })).toBe(false);
    const { selector: ranked } = setUp({
      members: [{}, { priority: 1 }, { priority: 2 }],
      states: ['down', 'up', 'down'],
    });
    expect(ranked.has({ tried: new Set(), allows: undefined })).toBe(true);
    expect([state.activeOf(0), state.nextTicket()]).toEqual([0, 0]);
    state.acquire(0, 0, 1);
    expect(selector.has({ tried: new Set(), allows })).toBe(true);
  });
});

describe('idle connections', () => {
  test('a place is that of an idle connection of this worker, where there is one', () => {
    const { state, pick } = setUp({ members: [{}] });
    pick();
    state.giveIdle(0, 0);
    expect(pick()).toMatchObject({ reuse: true });
    expect([state.activeOf(0), state.idleOf(0)]).toEqual([1, 0]);
    expect(pick()).toMatchObject({ reuse: false });
    expect([state.activeOf(0), state.idleOf(0)]).toEqual([2, 0]);
  });

  test('one of another worker is no place, but counts against the limit', () => {
    const { state, pick } = setUp({ members: [{ maxConnections: 1 }] });
    state.acquire(0, 1, 1);
    state.giveIdle(0, 1);
    expect(slotOf(pick())).toBe('full');
    state.dropIdle(0, 1);
    expect(pick()).toMatchObject({ member: { slot: 0 }, reuse: false });
  });

  test('one of this worker is a place at a member that is full without it', () => {
    const { state, pick } = setUp({ members: [{ maxConnections: 2 }] });
    state.acquire(0, 2, 1);
    pick();
    state.giveIdle(0, 0);
    expect([pick(), pick()].map(slotOf)).toEqual([0, 'full']);
  });

  test('they do not go into use above a limit that is lower by now', () => {
    const { state, pick } = setUp({ members: [{ maxConnections: 3 }] });
    for (let i = 0; i < 3; i += 1) pick();
    for (let i = 0; i < 3; i += 1) state.giveIdle(0, 0);
    state.setLimit(0, 1);
    expect([pick(), pick()].map(slotOf)).toEqual([0, 'full']);
  });

  test('they are no load in the eyes of least connections', () => {
    const { state, pick } = setUp({ members: [{}, {}], policy: 'least-connections' });
    for (let i = 0; i < 3; i += 1) state.acquire(0, 0, 0);
    for (let i = 0; i < 3; i += 1) state.giveIdle(0, 0);
    state.acquire(1, 0, 0);
    expect(pick()).toMatchObject({ member: { slot: 0 }, reuse: true });
  });
});

describe('saturated members', () => {
  const nowMs = 5_000;

  test('are passed over for the time of their pause, also in favour of a later priority', () => {
    const { state, pick } = setUp({ members: [{}, {}, { priority: 1 }] });
    state.recordSaturation(0, nowMs, 2_000);
    expect([1, 2, 3].map(() => slotOf(pick([], { nowMs })))).toEqual([1, 1, 1]);
    expect(slotOf(pick([1], { nowMs }))).toBe(2);
    expect(slotOf(pick([1], { nowMs: nowMs + 2_000 }))).toBe(0);
  });

  test('are used when all others have failed the client, are full or down', () => {
    const { state, pick } = setUp({ members: [{}, { maxConnections: 1 }, {}], states: ['up', 'up', 'down'] });
    state.recordSaturation(0, nowMs, 2_000);
    expect(slotOf(pick([], { nowMs }))).toBe(1);
    expect(pick([], { nowMs })).toMatchObject({ member: { slot: 0 }, lastResort: false });
    // Its own limit is 1 by now.
    expect(slotOf(pick([], { nowMs }))).toBe('full');
  });

  test('are waited for when they are at their lowered limit', () => {
    const { state, pick } = setUp({ members: [{}] });
    for (let i = 0; i < 4; i += 1) pick();
    state.recordSaturation(0, nowMs, 2_000);
    expect(slotOf(pick([], { nowMs }))).toBe('full');
    state.release(0, 0);
    state.release(0, 0);
    expect(slotOf(pick([], { nowMs }))).toBe('full');
    state.release(0, 0);
    expect(slotOf(pick([], { nowMs }))).toBe(0);
  });

  test('are nothing special to a client that knows no time', () => {
    const { state, pick } = setUp({ members: [{}, {}] });
    state.recordSaturation(0, nowMs, 2_000);
    expect([pick(), pick()].map(slotOf)).toEqual([0, 1]);
  });
});
