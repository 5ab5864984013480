import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { describe, expect, test, vi } from 'vitest';
import { createFolder, createLog } from '../_util/observe-log.ts';
import { SAMPLE_EVENTS } from '../_util/observe-record.ts';

const FAILED = SAMPLE_EVENTS['handshake-failed'];

describe('the log', () => {
  test('writes what its level lets through, with the time an event happened', async () => {
    await using file = await createLog({ level: 'notice' });
    file.log.log('worker-started', { worker: 0 });
    file.log.log('listening', { service: 'mcas', address: '127.0.0.1:1' });
    file.log.write({ event: 'drained', timeMs: 0, fields: { cut: 0 } });
    expect(await file.events()).toMatchObject([
      { event: 'listening', level: 'notice', address: '127.0.0.1:1' },
      { event: 'drained', time: '1970-01-01T00:00:00.000Z' },
    ]);
  });

  test('goes to standard error as "-"', async () => {
    const module = new URL('../../src/observe/logger.ts', import.meta.url).href;
    const source = `
      const { openLogger } = await import(${JSON.stringify(module)});
      const log = await openLogger({ level: 'notice', format: 'text', file: '-', overwrite: false, serviceLevels: new Map(), color: false, complain() {} });
      log.log('listening', { service: 'mcas', address: '127.0.0.1:1' });
      await log.reopen();
      await log[Symbol.asyncDispose]();
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', source]);
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    expect(stderr).toMatch(/^\S+Z notice {2}listening on 127\.0\.0\.1:1 service=mcas\n$/);
    expect(stdout).toBe('');
  });

  test('is opened again after a rotation, and says so in the new file', async () => {
    await using folder = await createFolder();
    await using file = await createLog({ file: folder.file('log') });
    file.log.log('drained', { cut: 0 });
    await vi.waitFor(async () => expect(await folder.lines('log')).toHaveLength(1));
    await rename(folder.file('log'), folder.file('log.1'));
    await file.log.reopen();
    await file.log[Symbol.asyncDispose]();
    expect(await folder.lines('log')).toEqual([expect.stringContaining('"event":"log-reopened"')]);
  });

  test('goes on in the old file where the new one cannot be opened, and says so there', async () => {
    await using folder = await createFolder();
    await using file = await createLog({ file: folder.file('log') });
    await rename(folder.file('log'), folder.file('log.1'));
    await mkdir(folder.file('log'));
    await file.log.reopen();
    file.log.log('drained', { cut: 0 });
    await file.log[Symbol.asyncDispose]();
    expect((await folder.lines('log.1')).map((line) => JSON.parse(line))).toMatchObject([
      { event: 'log-open-failed', level: 'error', file: folder.file('log'), detail: expect.stringContaining('EISDIR') },
      { event: 'drained' },
    ]);
    expect(file.complaints).toEqual([expect.stringContaining('cannot be opened')]);
  });

  test('goes on where another configuration wants it, and no line is lost on the way', async () => {
    await using folder = await createFolder();
    await using file = await createLog({ file: folder.file('log') });
    const place = { file: folder.file('other'), stderr: false, overwrite: false };
    file.log.log('drained', { cut: 1 });
    const moved = file.log.follow(place);
    file.log.log('drained', { cut: 2 });
    await moved;
    file.log.log('drained', { cut: 3 });
    await file.log.reopen();
    await file.log.follow({ ...place, file: 'off' });
    file.log.log('drained', { cut: 4 });
    await file.log[Symbol.asyncDispose]();
    const eventsOf = async (name: string) => (await folder.lines(name)).map((line) => JSON.parse(line));
    expect(await eventsOf('log')).toMatchObject([{ cut: 1 }, { cut: 2 }]);
    expect(await eventsOf('other')).toMatchObject([{ cut: 3 }, { event: 'log-reopened', file: folder.file('other') }]);
  });

  test('stays where it was when it cannot go where another configuration wants it', async () => {
    await using folder = await createFolder();
    await using file = await createLog({ file: folder.file('log') });
    const wanted = folder.file('missing/log');
    await file.log.follow({ file: wanted, stderr: true, overwrite: false });
    file.log.log('drained', { cut: 1 });
    await file.log.reopen();
    await file.log[Symbol.asyncDispose]();
    expect((await folder.lines('log')).map((line) => JSON.parse(line))).toMatchObject([
      { event: 'log-open-failed', file: wanted, detail: expect.stringContaining('ENOENT') },
      { event: 'drained' },
      { event: 'log-reopened', file: folder.file('log') },
    ]);
  });

  test('what is open already is not emptied when it is to be overwritten', async () => {
    await using folder = await createFolder();
    await using file = await createLog({ file: folder.file('log') });
    file.log.log('drained', { cut: 1 });
    await file.log.follow({ file: folder.file('log'), stderr: false, overwrite: true });
    await file.log[Symbol.asyncDispose]();
    expect(await folder.lines('log')).toHaveLength(1);
  });

  test.runIf(process.platform === 'linux')(
    'complains once about a full disk, and says how many lines were lost when there is room again',
    async () => {
      await using folder = await createFolder();
      await symlink('/dev/full', folder.file('log'));
      await using file = await createLog({ file: folder.file('log') });
      const subject = 'x'.repeat(1000);
      for (let worker = 0; worker < 2000; worker += 1) file.log.log('worker-died', { worker, detail: subject });
      await vi.waitFor(() => expect(file.complaints).toHaveLength(1));
      const lost = file.log.lostCount;
      expect(lost).toBeGreaterThan(500);
      await rm(folder.file('log'));
      await file.log.reopen();
      await vi.waitFor(async () => expect(await folder.read('log')).toContain('log-lines-lost'));
      await file.log[Symbol.asyncDispose]();
      const lines = (await folder.lines('log')).map((line) => JSON.parse(line));
      expect(lines.find(({ event }) => event === 'log-lines-lost')).toMatchObject({ level: 'error', count: lost });
      expect(lines.filter(({ event }) => event === 'worker-died')).toHaveLength(2000 - lost);
      expect(file.complaints).toEqual([expect.stringMatching(/^icapgw: the log file .* cannot be written.*\n$/)]);
    },
  );

  test('counts what workers could not send, and says so', async () => {
    await using file = await createLog();
    file.log.lostBefore(9);
    expect(file.log.lostCount).toBe(9);
    expect(await file.events()).toMatchObject([{ event: 'log-lines-lost', count: 9 }]);
  });

  test('ignores what is logged after its end', async () => {
    await using file = await createLog();
    expect(await file.events()).toEqual([]);
    file.log.log('drained', { cut: 0 });
  });
});

describe('a flood of refusals', () => {
  test('is written up to a bound for each reason, with one line for the rest', async () => {
    await using file = await createLog();
    for (let index = 0; index < 100; index += 1) {
      file.log.log('handshake-failed', FAILED);
      file.log.log('handshake-failed', { ...FAILED, reason: 'unknown-ca' });
    }
    const events = await file.events();
    const counts = Map.groupBy(events, ({ event, reason, similar }) => `${event} ${reason ?? similar}`);
    const written = counts.get('handshake-failed expired')?.length ?? 0;
    expect(written).toBeGreaterThanOrEqual(20);
    expect(written).toBeLessThan(100);
    const suppressed = counts.get('lines-suppressed handshake-failed expired') ?? [];
    const total = suppressed.reduce((sum, { count }) => sum + Number(count), 0);
    expect(written + total).toBe(100);
    expect(counts.get('handshake-failed unknown-ca')?.length).toBeGreaterThanOrEqual(20);
  });

  test('is summed up when its second is over, although nothing follows', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    try {
      await using file = await createLog();
      for (let index = 0; index < 25; index += 1) file.log.log('handshake-failed', FAILED);
      vi.advanceTimersByTime(1000);
      vi.useRealTimers();
      const events = await file.events();
      expect(events).toHaveLength(21);
      expect(events.at(-1)).toMatchObject({ event: 'lines-suppressed', count: 5, similar: 'handshake-failed expired' });
    } finally {
      vi.useRealTimers();
    }
  });

  test.each([
    ['feed-address-taken', 'feed-address-taken'],
    ['feed-address-ignored', 'feed-address-ignored private'],
    ['feed-address-expired', 'feed-address-expired'],
    ['feed-address-lifted', 'feed-address-lifted allowed'],
  ] as const)('is summed up too where many addresses come at once: %s', async (event, similar) => {
    await using file = await createLog({ level: 'info' });
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    try {
      for (let index = 0; index < 1000; index += 1) file.log.log(event, SAMPLE_EVENTS[event]);
      vi.advanceTimersByTime(1000);
    } finally {
      vi.useRealTimers();
    }
    const events = await file.events();
    expect(events).toHaveLength(21);
    expect(events.at(-1)).toMatchObject({ event: 'lines-suppressed', count: 980, similar });
  });

  test('does not count what the level holds back anyway', async () => {
    await using file = await createLog({ level: 'notice' });
    for (let index = 0; index < 100; index += 1) file.log.log('handshake-failed', { ...FAILED, reason: 'closed' });
    expect(await file.events()).toEqual([]);
  });

  test('is written whole in stunnel lines', async () => {
    await using folder = await createFolder();
    await using file = await createLog({ format: 'stunnel', file: folder.file('log') });
    for (let index = 0; index < 100; index += 1) file.log.log('no-backend', SAMPLE_EVENTS['no-backend']);
    await file.log[Symbol.asyncDispose]();
    expect(await folder.lines('log')).toHaveLength(100);
  });
});
