import { beforeEach, describe, expect, test, vi } from 'vitest';
import { MemberCatalog } from '../../src/health/member-catalog.ts';
import { type ScriptedMember, scriptMember } from '../_util/health-options.ts';

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

const RETRY_MS = 5_000;

/** A catalog of a member; what changed is recorded. */
function setUp(member: ScriptedMember) {
  const changes: string[] = [];
  const catalog = new MemberCatalog({
    ...{ ask: member.ask, timeoutMs: 2_000, retryMs: RETRY_MS },
    onChange: (path) => changes.push(path),
  });
  return { catalog, changes };
}

const tick = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

describe('an answer', () => {
  test.each([
    { name: 'holds as long as it says', ttlSeconds: 100, ms: 100_000 },
    { name: 'holds a minute where it says nothing', ttlSeconds: undefined, ms: 60_000 },
    { name: 'holds half a minute at least', ttlSeconds: 0, ms: 30_000 },
    { name: 'holds an hour at most', ttlSeconds: 999_999_999_999_999, ms: 3_600_000 },
  ])('$name', async ({ ttlSeconds, ms }) => {
    const member = scriptMember();
    member.says = { ttlSeconds };
    using catalog = setUp(member).catalog;
    catalog.add('/scan');
    await tick();
    await tick(ms - 1);
    expect(member.asked).toHaveLength(1);
    await tick(1);
    expect(member.asked).toHaveLength(2);
  });

  test('is dated, so that its age can be told', async () => {
    vi.setSystemTime(1_000_000);
    const { catalog, changes } = setUp(scriptMember());
    using _catalog = catalog;
    catalog.add('/scan');
    await tick();
    expect(catalog.entryOf('/scan')).toMatchObject({ status: 200, fetchedAtMs: 1_000_000, isSettled: true });
    expect(changes).toEqual(['/scan']);
  });

  test.each(['refused', 'silent', 503] as const)('stays in force while later ones fail: %s', async (failure) => {
    const member = scriptMember();
    using catalog = setUp(member).catalog;
    catalog.add('/scan');
    await tick();
    member.answer = failure;
    await tick(70_000);
    expect(member.asked.length).toBeGreaterThan(1);
    expect(catalog.entryOf('/scan')).toMatchObject({ status: 200, options: { istag: '"tag"' } });
  });

  test.each([404, 405])('is taken back by a %i', async (status) => {
    const member = scriptMember();
    using catalog = setUp(member).catalog;
    catalog.add('/scan');
    await tick();
    member.answer = status;
    await tick(60_000);
    expect(catalog.entryOf('/scan')).toMatchObject({ status, options: undefined });
  });
});

describe('a member that fails', () => {
  test.each(['refused', 503] as const)('is asked again after the retry time: %s', async (failure) => {
    const member = scriptMember(failure);
    using catalog = setUp(member).catalog;
    catalog.add('/scan');
    await tick();
    expect(catalog.entryOf('/scan')).toMatchObject({ isSettled: true, options: undefined });
    await tick(RETRY_MS - 1);
    expect(member.asked).toHaveLength(1);
    member.answer = 200;
    await tick(1);
    expect(catalog.entryOf('/scan')).toMatchObject({ status: 200 });
  });

  test('costs one deadline, however many paths are wanted of it', async () => {
    const member = scriptMember('silent');
    const { catalog, changes } = setUp(member);
    using _catalog = catalog;
    for (let path = 0; path < 64; path += 1) catalog.add(`/${path}`);
    await tick(2_000);
    expect(changes).toHaveLength(64);
    expect(member.asked).toHaveLength(1);
  });

  test('keeps nobody waiting for a path that is new', async () => {
    const member = scriptMember('silent');
    using catalog = setUp(member).catalog;
    catalog.add('/scan');
    await tick(2_000);
    catalog.add('/new');
    expect(catalog.entryOf('/new')).toMatchObject({ status: 0, isSettled: true });
    member.answer = 200;
    await tick(10_000);
    catalog.add('/newer');
    expect(catalog.entryOf('/newer')).toMatchObject({ isSettled: false });
  });

  test('is asked at once for a path that is new', async () => {
    const member = scriptMember('refused');
    using catalog = setUp(member).catalog;
    catalog.add('/scan');
    await tick();
    member.answer = 200;
    catalog.add('/new');
    await tick();
    expect(catalog.entryOf('/new')).toMatchObject({ status: 200 });
  });
});

test('a member is never asked twice at the same time, and for every path', async () => {
  const member = scriptMember();
  let running = 0;
  let most = 0;
  const ask: ScriptedMember['ask'] = async (path, options) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 10));
    running -= 1;
    return member.ask(path, options);
  };
  using catalog = setUp({ ...member, ask }).catalog;
  for (const path of ['/a', '/b', '/c']) catalog.add(path);
  await tick(40);
  expect(member.asked).toEqual(['/a', '/b', '/c']);
  expect(most).toBe(1);
});

test('a refresh asks for everything again', async () => {
  const member = scriptMember();
  using catalog = setUp(member).catalog;
  catalog.add('/a');
  catalog.add('/b');
  await tick(10);
  catalog.refresh();
  await tick(10);
  expect(member.asked).toEqual(['/a', '/b', '/a', '/b']);
});

test('a member on hold is left alone until the refresh, and keeps nobody waiting', async () => {
  const member = scriptMember('silent');
  const { catalog, changes } = setUp(member);
  using _catalog = catalog;
  catalog.add('/a');
  await tick(1);
  catalog.hold();
  expect(changes).toEqual(['/a']);
  catalog.add('/b');
  expect(catalog.entryOf('/b')).toMatchObject({ isSettled: true, status: 0 });
  await tick(120_000);
  expect(member.asked).toEqual(['/a']);
  member.answer = 200;
  catalog.refresh();
  await tick(10);
  expect(catalog.entryOf('/b')).toMatchObject({ status: 200 });
});

test('after disposal nothing is asked and nothing told', async () => {
  const member = scriptMember('silent');
  const { catalog, changes } = setUp(member);
  catalog.add('/a');
  await tick(1);
  catalog[Symbol.dispose]();
  await tick(120_000);
  expect(member.asked).toHaveLength(1);
  expect(changes).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
