import { beforeEach, describe, expect, test, vi } from 'vitest';
import { OptionsDirectory, type OptionsDirectoryOptions } from '../../src/health/options-directory.ts';
import type { PathOptions } from '../../src/health/path-options.ts';
import { type ScriptedMember, scriptMember } from '../_util/health-options.ts';

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

const tick = (ms = 1) => vi.advanceTimersByTimeAsync(ms);

/** A directory; what it told last, and what else it said. */
function setUp(paths: OptionsDirectoryOptions['paths'] = []) {
  const told: PathOptions[][] = [];
  const ignored: string[] = [];
  const advertised: string[] = [];
  const directory = new OptionsDirectory({
    ...{ paths, timeoutMs: 2_000, retryMs: 5_000 },
    onPaths: (all) => told.push([...all]),
    onOptions: (slot, path, options) => advertised.push(`${slot} ${path} ${options?.maxConnections}`),
    onIgnored: (path) => ignored.push(path),
  });
  const last = () => told.at(-1)?.map(({ path, members }) => `${path} ${members.map(({ status }) => status).join()}`);
  return { directory, told, ignored, advertised, last };
}

function memberOf(slot: number, { ask }: ScriptedMember, key = `dlp-${slot}`) {
  return { slot, backend: slot, key, ask };
}

const everywhere = (path: string) => ({ path, backends: undefined });

describe('a path of the configuration', () => {
  test('is told once every member has answered or failed to', async () => {
    const [quick, dead] = [scriptMember(), scriptMember('silent')];
    const { directory, last } = setUp([everywhere('/scan')]);
    using _directory = directory;
    directory.setMembers([memberOf(0, quick), memberOf(1, dead)]);
    await tick(1_999);
    expect(last()).toEqual([]);
    await tick(1);
    expect(last()).toEqual(['/scan 200,0']);
    dead.answer = 200;
    await tick(5_000);
    expect(last()).toEqual(['/scan 200,200']);
  });

  test('is asked only of the backends that its routes name', async () => {
    const [first, second] = [scriptMember(), scriptMember()];
    const { directory, told } = setUp([{ path: '/reqmod', backends: new Set([1]) }]);
    using _directory = directory;
    directory.setMembers([memberOf(0, first), memberOf(1, second)]);
    await tick();
    expect(first.asked).toEqual([]);
    expect(told.at(-1)).toEqual([
      { path: '/reqmod', members: [expect.objectContaining({ slot: 1, backend: 1, status: 200 })] },
    ]);
    expect(directory.paths).toEqual(told.at(-1));
  });

  test('tells what the members advertise, and when one denies the path', async () => {
    const [limited, without] = [scriptMember(), scriptMember(404)];
    limited.says = { maxConnections: 8 };
    const { directory, advertised } = setUp([everywhere('/scan')]);
    using _directory = directory;
    directory.setMembers([memberOf(0, limited), memberOf(1, without)]);
    await tick();
    expect(advertised).toEqual(['0 /scan 8', '1 /scan undefined']);
  });
});

describe('members', () => {
  test('that stay keep their answers, those that go are not asked any more', async () => {
    const [staying, going, coming] = [scriptMember(), scriptMember(), scriptMember()];
    const { directory, last } = setUp([everywhere('/scan')]);
    using _directory = directory;
    directory.setMembers([memberOf(0, staying), memberOf(1, going)]);
    await tick();
    directory.setMembers([memberOf(0, staying), memberOf(1, coming, 'another address')]);
    expect(last()).toEqual(['/scan 200,0']);
    await tick();
    expect(last()).toEqual(['/scan 200,200']);
    expect(staying.asked).toHaveLength(1);
    await tick(60_000);
    expect(going.asked).toHaveLength(1);
  });

  test('that come back are asked again, those in maintenance are not', async () => {
    const member = scriptMember();
    const { directory } = setUp([everywhere('/scan')]);
    using _directory = directory;
    directory.setMembers([memberOf(0, member)]);
    await tick();
    directory.refresh(0);
    await tick();
    expect(member.asked).toHaveLength(2);
    directory.hold(0);
    await tick(3_600_000);
    expect(member.asked).toHaveLength(2);
  });
});

describe('a path that a client names', () => {
  test('is learned from every member', async () => {
    const [first, second] = [scriptMember(), scriptMember(404)];
    const { directory, last } = setUp();
    using _directory = directory;
    directory.setMembers([memberOf(0, first), memberOf(1, second)]);
    directory.learn('/avscan');
    directory.learn('/avscan');
    await tick();
    expect(last()).toEqual(['/avscan 200,404']);
    expect(first.asked).toEqual(['/avscan']);
  });

  test('is told at once where there is nobody to ask', () => {
    const { directory, last } = setUp();
    using _directory = directory;
    directory.setMembers([]);
    directory.learn('/avscan');
    expect(last()).toEqual(['/avscan ']);
  });

  test('is the last of 64: the next ones are ignored, and that is said once', async () => {
    const member = scriptMember();
    const { directory, last, ignored } = setUp([everywhere('/configured')]);
    using _directory = directory;
    directory.setMembers([memberOf(0, member)]);
    for (let path = 1; path <= 66; path += 1) directory.learn(`/${path}`);
    await tick(200);
    expect(last()).toHaveLength(65);
    expect(ignored).toEqual(['/65']);
    expect(member.asked).not.toContain('/65');
  });
});
