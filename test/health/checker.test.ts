import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PoolState, WEIGHT_UNIT } from '../../src/balance/pool-state.ts';
import { type Check, type CheckedMember, Checker, type CheckerOptions } from '../../src/health/checker.ts';
import { type ScriptedProbe, scriptProbe } from '../_util/health-script.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Setup extends Partial<Pick<CheckerOptions, 'administrative'>> {
  /** One per member; `none`: a member without active checks. */
  readonly probes: readonly (ScriptedProbe | 'none')[];
  readonly settings?: Partial<CheckerOptions['settings']>;
  readonly outliers?: Partial<CheckerOptions['outliers']>;
}

/** A checker with an interval of 1 s over members dlp-0, dlp-1, ... that has not probed yet. */
function setUp({ probes, settings, outliers, administrative = new Map() }: Setup) {
  const state = PoolState.create(probes.length, 1);
  const changes: string[] = [];
  const checks: Check[] = [];
  const checker = new Checker({
    state,
    settings: {
      ...{ intervalMs: 1_000, timeoutMs: 500, rise: 2, fall: 3, jitter: 0, ejectMs: 30_000, slowStartMs: 0 },
      ...settings,
    },
    outliers: { consecutiveFailures: 5, maxEjected: 0.5, ...outliers },
    random: () => 0,
    administrative,
    onStateChange: ({ backend, from, to, reason }) => changes.push(`${backend} ${from} > ${to}: ${reason}`),
    onCheck: (check) => checks.push(check),
  });
  const members = probes.map((script, slot): CheckedMember => {
    const address = `10.0.0.${slot}:1344`;
    const identity = { slot, backend: slot, key: address, backendName: `dlp-${slot}`, addressText: address };
    const probe = script === 'none' ? undefined : script.probe;
    return { ...identity, priority: 0, weight: 1, maxConnections: 0, probe };
  });
  checker.setMembers(members);
  const fail = (slot: number, times: number) => {
    for (let i = 0; i < times; i += 1) state.recordFailure(slot);
    checker.reportFailures(slot);
  };
  const states = () => members.map(({ slot }) => state.stateOf(slot)).join(' ');
  return { state, checker, members, changes, checks, fail, states };
}

/** Lets all probes of one interval run, answering so. */
async function round(script: ScriptedProbe, answer: ScriptedProbe['answer']): Promise<void> {
  script.answer = answer;
  await vi.advanceTimersByTimeAsync(script.startsMs.length === 0 ? 0 : 1_000);
}

describe('active checks', () => {
  test("what this machine lacks is counted, and is nobody's illness", async () => {
    const script = scriptProbe('local');
    const { checker, checks, changes, states } = setUp({ probes: [script] });
    using _checker = checker;
    for (let times = 0; times < 5; times += 1) await round(script, 'local');
    expect(checks.map(({ result }) => result)).toEqual(['local', 'local', 'local', 'local', 'local']);
    expect([states(), ...changes]).toEqual(['up']);
    await round(script, 'refused');
    expect(states()).toBe('down');
  });

  test('members are up with their whole weight before any probe is back', () => {
    const { state, changes, checker } = setUp({ probes: [scriptProbe('silent')], settings: { slowStartMs: 60_000 } });
    using _checker = checker;
    expect([state.stateOf(0), state.weightOf(0)]).toEqual(['up', WEIGHT_UNIT]);
    expect(changes).toEqual([]);
  });

  test('a dead member is known from the first probe', async () => {
    const script = scriptProbe('refused');
    const { checker, changes, states } = setUp({ probes: [script] });
    using _checker = checker;
    await round(script, 'refused');
    expect(states()).toBe('down');
    expect(changes).toEqual(['dlp-0 up > down: 1 probe failed, last: refused (scripted)']);
  });

  test('after the first result it takes `fall` failures to go down and `rise` successes to come back', async () => {
    const script = scriptProbe();
    const { checker, changes, states } = setUp({ probes: [script] });
    using _checker = checker;
    const seen: string[] = [];
    for (const answer of ['well', 'reset', 'reset', 'well', 'reset', 'timeout', 'timeout', 'well', 'well'] as const) {
      await round(script, answer);
      seen.push(states());
    }
    expect(seen).toEqual(['up', 'up', 'up', 'up', 'up', 'up', 'down', 'down', 'up']);
    expect(changes).toEqual([
      'dlp-0 up > down: 3 probes in a row failed, last: timeout (scripted)',
      'dlp-0 down > up: 2 probes in a row passed',
    ]);
  });

  test('every probe is told, with its result and its time', async () => {
    const script = scriptProbe();
    const { checker, checks } = setUp({ probes: [script] });
    using _checker = checker;
    await round(script, 'well');
    await round(script, 'status');
    expect(checks).toEqual([
      { backend: 'dlp-0', address: '10.0.0.0:1344', result: 'success', seconds: 0.003 },
      { backend: 'dlp-0', address: '10.0.0.0:1344', result: 'status', seconds: 0.003 },
    ]);
  });

  test('one event per change, however many probes say the same', async () => {
    const script = scriptProbe('refused');
    const { checker, changes } = setUp({ probes: [script] });
    using _checker = checker;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(script.startsMs.length).toBeGreaterThan(50);
    expect(changes).toHaveLength(1);
  });

  test('members are probed side by side: a silent one does not delay the others', async () => {
    const [silent, well] = [scriptProbe('silent'), scriptProbe()];
    const { checker } = setUp({ probes: [silent, well] });
    using _checker = checker;
    await vi.advanceTimersByTimeAsync(10_000);
    expect([silent.startsMs.length, well.startsMs.length]).toEqual([1, 11]);
  });

  test('disposing stops everything and frees the slots', async () => {
    const probes = [scriptProbe(), scriptProbe('silent'), scriptProbe('refused')];
    const { checker, fail, states, changes } = setUp({ probes, settings: { slowStartMs: 60_000 } });
    await vi.advanceTimersByTimeAsync(0);
    fail(0, 5);
    checker[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
    expect(states()).toBe('unused unused unused');
    expect(changes).toHaveLength(2);
  });

  test('the status tells state, since when, and the last probe', async () => {
    vi.setSystemTime(1_000_000);
    const script = scriptProbe('refused');
    const { checker } = setUp({ probes: [script, 'none'] });
    using _checker = checker;
    await round(script, 'refused');
    await vi.advanceTimersByTimeAsync(500);
    expect(checker.status()).toEqual([
      {
        ...{ slot: 0, backend: 'dlp-0', address: '10.0.0.0:1344', state: 'down', sinceMs: 1_000_000 },
        lastProbe: { ok: false, ms: 3, reason: 'refused', detail: 'scripted' },
        ...{ reason: '1 probe failed, last: refused (scripted)', weight: 1 },
      },
      {
        ...{ slot: 1, backend: 'dlp-1', address: '10.0.0.1:1344', state: 'up', sinceMs: 1_000_000 },
        ...{ lastProbe: undefined, reason: undefined, weight: 1 },
      },
    ]);
  });
});

describe('slow start', () => {
  async function recovering() {
    const script = scriptProbe('refused');
    const pool = setUp({ probes: [script], settings: { slowStartMs: 20_000, rise: 1 } });
    await round(script, 'refused');
    await round(script, 'well');
    return { ...pool, script };
  }

  test('a member that comes back gets 10 % of its weight, then more, then all', async () => {
    const { checker, state } = await recovering();
    using _checker = checker;
    const weights = [state.weightOf(0)];
    for (let i = 0; i < 4; i += 1) {
      await vi.advanceTimersByTimeAsync(5_000);
      weights.push(state.weightOf(0));
    }
    expect(weights).toEqual([26, 83, 141, 198, 256]);
  });

  test('a new weight takes effect in the middle of it', async () => {
    const { checker, state, members } = await recovering();
    using _checker = checker;
    await vi.advanceTimersByTimeAsync(10_000);
    checker.setMembers(members.map((member) => ({ ...member, weight: 10 })));
    expect(state.weightOf(0)).toBe(1_408);
  });

  test('a member that falls again has its whole weight as a last resort, and starts from 10 % the next time', async () => {
    const { checker, state, script } = await recovering();
    using _checker = checker;
    await vi.advanceTimersByTimeAsync(10_000);
    for (let i = 0; i < 3; i += 1) await round(script, 'refused');
    expect([state.stateOf(0), state.weightOf(0)]).toEqual(['down', 256]);
    await round(script, 'well');
    expect([state.stateOf(0), state.weightOf(0)]).toEqual(['up', 26]);
  });
});

describe('ejection', () => {
  test('a member whose connections fail in a row is ejected, and is back when the time is over', async () => {
    const { checker, fail, states, changes } = setUp({ probes: ['none', 'none'] });
    using _checker = checker;
    fail(0, 5);
    expect(states()).toBe('ejected up');
    await vi.advanceTimersByTimeAsync(29_999);
    expect(states()).toBe('ejected up');
    await vi.advanceTimersByTimeAsync(1);
    expect(states()).toBe('up up');
    expect(changes).toEqual([
      'dlp-0 up > ejected: 5 failures in a row; ejected for 30 s',
      'dlp-0 ejected > up: was ejected for 30 s',
    ]);
  });

  test('below the threshold nothing happens', () => {
    const { checker, fail, states } = setUp({ probes: ['none', 'none'] });
    using _checker = checker;
    fail(0, 4);
    expect(states()).toBe('up up');
  });

  test('a report that a success has overtaken is ignored', () => {
    const { checker, state, states } = setUp({ probes: ['none', 'none'] });
    using _checker = checker;
    for (let i = 0; i < 5; i += 1) state.recordFailure(0);
    state.recordSuccess(0);
    checker.reportFailures(0);
    expect(states()).toBe('up up');
  });

  test('a member that is back must fail as often again', async () => {
    const { checker, fail, states } = setUp({ probes: ['none', 'none'] });
    using _checker = checker;
    fail(0, 9);
    await vi.advanceTimersByTimeAsync(30_000);
    fail(0, 4);
    expect(states()).toBe('up up');
    fail(0, 1);
    expect(states()).toBe('ejected up');
  });

  test('the second ejection lasts twice as long', async () => {
    const { checker, fail, states } = setUp({ probes: ['none', 'none'] });
    using _checker = checker;
    fail(0, 5);
    await vi.advanceTimersByTimeAsync(30_000);
    fail(0, 5);
    await vi.advanceTimersByTimeAsync(59_999);
    expect(states()).toBe('ejected up');
    await vi.advanceTimersByTimeAsync(1);
    expect(states()).toBe('up up');
  });

  test('no more than the part of the pool is ejected at a time', () => {
    const { checker, fail, states, changes } = setUp({ probes: ['none', 'none', 'none', 'none', 'none'] });
    using _checker = checker;
    for (const slot of [0, 1, 2, 3]) fail(slot, 50);
    expect(states()).toBe('ejected ejected up up up');
    expect(changes).toHaveLength(2);
  });

  test('members in drain or maintenance do not count as part of the pool', () => {
    const { checker, fail, states } = setUp({ probes: ['none', 'none', 'none', 'none'] });
    using _checker = checker;
    checker.setAdministrative('dlp-2', 'drain');
    checker.setAdministrative('dlp-3', 'maint');
    fail(0, 5);
    fail(1, 5);
    expect(states()).toBe('ejected up drain maint');
  });

  test.each([
    { name: 'the only member', probes: 1, outliers: {} },
    { name: 'anybody where the part is 0', probes: 3, outliers: { maxEjected: 0 } },
    { name: 'anybody where no number of failures is set', probes: 3, outliers: { consecutiveFailures: 0 } },
  ])('$name is never ejected', ({ probes, outliers }) => {
    const pool = setUp({ probes: Array.from({ length: probes }, () => 'none' as const), outliers });
    using _checker = pool.checker;
    pool.fail(0, 100);
    expect(pool.changes).toEqual([]);
  });

  test('a report about a slot that has no member any more is ignored', () => {
    const { checker, fail, state } = setUp({ probes: ['none', 'none'] });
    using _checker = checker;
    checker.setMembers([]);
    fail(0, 5);
    expect(state.stateOf(0)).toBe('unused');
  });

  test('passing probes do not shorten it', async () => {
    const script = scriptProbe();
    const { checker, fail, states } = setUp({ probes: [script, 'none'] });
    using _checker = checker;
    await vi.advanceTimersByTimeAsync(0);
    fail(0, 5);
    await vi.advanceTimersByTimeAsync(29_999);
    expect(states()).toBe('ejected up');
    await vi.advanceTimersByTimeAsync(1);
    expect(states()).toBe('up up');
  });

  test('while its probes fail it lasts on, until one passes', async () => {
    const script = scriptProbe();
    const { checker, fail, states, changes } = setUp({ probes: [script, 'none'], settings: { fall: 1_000 } });
    using _checker = checker;
    await vi.advanceTimersByTimeAsync(0);
    fail(0, 5);
    script.answer = 'timeout';
    await vi.advanceTimersByTimeAsync(40_000);
    expect(states()).toBe('ejected up');
    await round(script, 'well');
    expect(states()).toBe('up up');
    expect(changes.at(-1)).toBe('dlp-0 ejected > up: probe passed after the ejection');
  });

  test('an ejected member that its probes find dead is down, and comes back by `rise`', async () => {
    const script = scriptProbe();
    const { checker, fail, states } = setUp({ probes: [script, 'none'] });
    using _checker = checker;
    await vi.advanceTimersByTimeAsync(0);
    fail(0, 5);
    for (let i = 0; i < 3; i += 1) await round(script, 'refused');
    expect(states()).toBe('down up');
    await round(script, 'well');
    await round(script, 'well');
    expect(states()).toBe('up up');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(states()).toBe('up up');
  });
});

describe('what the operator wishes', () => {
  test('a weight holds for the members there are and those that come, and for the others nothing changes', () => {
    const { checker, members, state } = setUp({ probes: ['none', 'none'] });
    using _checker = checker;
    checker.setWeight('dlp-0', 5);
    expect([state.weightOf(0), state.weightOf(1)]).toEqual([5 * WEIGHT_UNIT, WEIGHT_UNIT]);
    checker.setMembers(members.slice(1));
    checker.setMembers(members);
    expect([state.weightOf(0), state.weightOf(1)]).toEqual([5 * WEIGHT_UNIT, WEIGHT_UNIT]);
    expect(
      checker
        .status()
        .map(({ backend, weight }) => [backend, weight])
        .sort(),
    ).toEqual([
      ['dlp-0', 5],
      ['dlp-1', 1],
    ]);
  });

  test('drain goes on probing, maint does not', async () => {
    const [drained, maintained] = [scriptProbe(), scriptProbe()];
    const { checker, states } = setUp({ probes: [drained, maintained] });
    using _checker = checker;
    checker.setAdministrative('dlp-0', 'drain');
    checker.setAdministrative('dlp-1', 'maint');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(states()).toBe('drain maint');
    expect(drained.startsMs).toHaveLength(11);
    expect(maintained.startsMs).toHaveLength(0);
  });

  test('each wish is told once', () => {
    const { checker, changes } = setUp({ probes: ['none'] });
    using _checker = checker;
    for (const wish of ['drain', 'drain', 'ready', 'ready'] as const) checker.setAdministrative('dlp-0', wish);
    expect(changes).toEqual([
      'dlp-0 up > drain: set to drain by the operator',
      'dlp-0 drain > up: set to ready by the operator',
    ]);
  });

  test('a drained member that died meanwhile comes back as down', async () => {
    const script = scriptProbe();
    const { checker, states, changes } = setUp({ probes: [script] });
    using _checker = checker;
    await vi.advanceTimersByTimeAsync(0);
    checker.setAdministrative('dlp-0', 'drain');
    script.answer = 'refused';
    await vi.advanceTimersByTimeAsync(10_000);
    expect(changes).toHaveLength(1);
    checker.setAdministrative('dlp-0', 'ready');
    expect(states()).toBe('down');
  });

  test('after maintenance a member is like new: up, and judged by the first probe', async () => {
    const script = scriptProbe('refused');
    const { checker, states } = setUp({ probes: [script] });
    using _checker = checker;
    await round(script, 'refused');
    checker.setAdministrative('dlp-0', 'maint');
    checker.setAdministrative('dlp-0', 'ready');
    expect(states()).toBe('up');
    await vi.advanceTimersByTimeAsync(0);
    expect(states()).toBe('down');
  });

  test('a wish holds from the start and for members that come later', async () => {
    const script = scriptProbe();
    const { checker, members, states, changes } = setUp({
      probes: ['none', script],
      administrative: new Map([['dlp-0', 'drain']]),
    });
    using _checker = checker;
    expect(states()).toBe('drain up');
    checker.setAdministrative('dlp-1', 'maint');
    checker.setMembers([]);
    checker.setMembers(members);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(states()).toBe('drain maint');
    expect(script.startsMs).toEqual([]);
    expect(changes).toEqual(['dlp-1 up > maint: set to maint by the operator']);
    expect([...checker.administrative]).toEqual([
      ['dlp-0', 'drain'],
      ['dlp-1', 'maint'],
    ]);
  });
});

describe('members that come and go', () => {
  test('one that stays keeps its health and its pace', async () => {
    const script = scriptProbe('refused');
    const { checker, members, states, changes } = setUp({ probes: [script] });
    using _checker = checker;
    await round(script, 'refused');
    checker.setMembers(members);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(states()).toBe('down');
    expect(changes).toHaveLength(1);
    expect(script.startsMs).toHaveLength(3);
  });

  test('another address in the same slot begins afresh, without the failures of the one before', async () => {
    const script = scriptProbe('refused');
    const { checker, members, state, states } = setUp({ probes: [script] });
    using _checker = checker;
    await round(script, 'refused');
    for (let i = 0; i < 4; i += 1) state.recordFailure(0);
    const next = scriptProbe();
    const changed = { key: '10.0.9.9:1344', addressText: '10.0.9.9:1344', probe: next.probe };
    checker.setMembers(members.map((member) => ({ ...member, ...changed })));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(states()).toBe('up');
    expect(state.failuresOf(0)).toBe(0);
    expect([script.startsMs.length, next.startsMs.length]).toEqual([1, 2]);
  });

  test('the slot of one that goes is unused', () => {
    const { checker, members, states } = setUp({ probes: ['none', 'none'] });
    using _checker = checker;
    checker.setMembers(members.slice(1));
    expect(states()).toBe('unused up');
  });
});
