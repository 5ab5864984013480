import { execFileSync } from 'node:child_process';
import fs, { constants } from 'node:fs';
import { mkdir, open, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import sonicBoom from 'sonic-boom';
import { describe, expect, test, vi } from 'vitest';
import { LineSink, type LineSinkOptions, openLineSink } from '../../src/observe/line-sink.ts';
import { createFolder } from '../_util/observe-log.ts';

interface Told {
  readonly troubles: string[];
  readonly recoveries: number[];
}

async function openSink(target: string, options: Partial<LineSinkOptions> = {}): Promise<{ sink: LineSink } & Told> {
  const troubles: string[] = [];
  const recoveries: number[] = [];
  const sink = await openLineSink({
    target,
    overwrite: false,
    maxPendingBytes: 1000,
    onTrouble: (detail) => troubles.push(detail),
    onRecovered: (count) => recoveries.push(count),
    ...options,
  });
  return { sink, troubles, recoveries };
}

describe('a line sink', () => {
  test('writes lines in order and appends to what is there', async () => {
    await using folder = await createFolder();
    await writeFile(folder.file('log'), 'before\n');
    const { sink } = await openSink(folder.file('log'), { maxPendingBytes: 100_000 });
    const lines = Array.from({ length: 1000 }, (_, index) => `line ${index}`);
    for (const line of lines) sink.write(line);
    await sink[Symbol.asyncDispose]();
    expect(await folder.lines('log')).toEqual(['before', ...lines]);
  });

  test('empties the file first where that is asked for', async () => {
    await using folder = await createFolder();
    await writeFile(folder.file('log'), 'before\n');
    const { sink } = await openSink(folder.file('log'), { overwrite: true });
    sink.write('after');
    await sink.reopen();
    await sink[Symbol.asyncDispose]();
    expect(await folder.lines('log')).toEqual(['after']);
  });

  test('creates a file only its owner can write and its group can read', async () => {
    await using folder = await createFolder();
    const { sink } = await openSink(folder.file('log'));
    await sink[Symbol.asyncDispose]();
    expect((await stat(folder.file('log'))).mode & 0o777 & ~0o640).toBe(0);
  });

  test('names file and reason where it cannot be opened', async () => {
    await using folder = await createFolder();
    const missing = folder.file('missing/log');
    await expect(openSink(missing)).rejects.toMatchObject({
      code: 'ICAPGW_LOG_FILE',
      source: 'internal',
      message: expect.stringMatching(/missing\/log: ENOENT/),
    });
    await expect(openSink(folder.path)).rejects.toMatchObject({ message: expect.stringContaining('EISDIR') });
  });

  test('goes on in the new file after a rotation', async () => {
    await using folder = await createFolder();
    const { sink } = await openSink(folder.file('log'));
    sink.write('old');
    await vi.waitFor(async () => expect(await folder.lines('log')).toEqual(['old']));
    await rename(folder.file('log'), folder.file('log.1'));
    await sink.reopen();
    sink.write('new');
    await sink[Symbol.asyncDispose]();
    expect(await folder.lines('log.1')).toEqual(['old']);
    expect(await folder.lines('log')).toEqual(['new']);
  });

  test('keeps the old file where the new one cannot be opened, however often that is tried', async () => {
    await using folder = await createFolder();
    await using inner = await createFolder();
    const { sink, troubles } = await openSink(inner.file('log'));
    await rename(inner.file('log'), folder.file('log.1'));
    await rm(inner.path, { recursive: true });
    expect(await sink.reopen()).toContain('ENOENT');
    expect(await sink.reopen()).toContain('ENOENT');
    sink.write('still here');
    await vi.waitFor(async () => expect(await folder.lines('log.1')).toEqual(['still here']));
    // Nothing is lost.
    expect(troubles).toEqual([]);
    await mkdir(inner.path);
    expect(await sink.reopen()).toBeUndefined();
    sink.write('back');
    await sink[Symbol.asyncDispose]();
    expect(await inner.lines('log')).toEqual(['back']);
  });

  test.runIf(process.platform === 'linux')(
    'on a full disk keeps a bounded number of lines, counts the others, and says both once it works again',
    async () => {
      await using folder = await createFolder();
      await symlink('/dev/full', folder.file('log'));
      const { sink, troubles, recoveries } = await openSink(folder.file('log'));
      sink.write('first');
      await vi.waitFor(() => expect(troubles).toEqual([expect.stringContaining('ENOSPC')]));
      for (let index = 0; index < 30; index += 1) sink.write('x'.repeat(99));
      expect(sink.lostCount).toBe(21);
      await rm(folder.file('log'));
      await sink.reopen();
      await vi.waitFor(() => expect(recoveries).toEqual([21]));
      sink.write('last');
      await sink[Symbol.asyncDispose]();
      const lines = await folder.lines('log');
      expect([lines.length, lines.at(0), lines.at(-1)]).toEqual([11, 'first', 'last']);
      expect(troubles).toHaveLength(1);
    },
  );

  test.runIf(process.platform === 'linux')('is closed in spite of a full disk', async () => {
    const { sink } = await openSink('/dev/full');
    sink.write('never');
    await sink[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    sink.write('ignored');
    await sink.reopen();
  });

  test.skipIf(process.platform === 'win32')('tries again by itself when nothing more is written', async () => {
    await using folder = await createFolder();
    const file = folder.file('fifo');
    execFileSync('mkfifo', [file]);
    let reader = await open(file, 'r+');
    const { sink, troubles, recoveries } = await openSink(file, { maxPendingBytes: 10_000_000 });
    await reader.close();
    sink.write('unread');
    await vi.waitFor(() => expect(troubles).toEqual([expect.stringContaining('EPIPE')]));
    reader = await open(file, 'r+');
    await vi.waitFor(() => expect(recoveries).toEqual([0]), { timeout: 5000 });
    const { buffer, bytesRead } = await reader.read();
    expect(buffer.toString('utf8', 0, bytesRead)).toBe('unread\n');
    await reader.close();
    await sink[Symbol.asyncDispose]();
  });

  test.runIf(process.platform === 'linux')('tries a full disk at its own pace, however many lines come', async () => {
    const { sink, troubles } = await openSink('/dev/full', { maxPendingBytes: 100_000 });
    sink.write('first');
    await vi.waitFor(() => expect(troubles).toEqual([expect.stringContaining('ENOSPC')]));
    const write = vi.spyOn(fs, 'write');
    for (let index = 0; index < 100; index += 1) {
      sink.write(`line ${index}`);
      await new Promise(setImmediate);
    }
    expect(write.mock.calls.length).toBeLessThanOrEqual(1);
    write.mockRestore();
    await sink[Symbol.asyncDispose]();
  });

  test.skipIf(process.platform === 'win32')('gives up a standard stream whose reader is gone', async () => {
    const { sink, troubles, recoveries } = await openAbandonedStream();
    const write = vi.spyOn(fs, 'write');
    sink.write('first');
    sink.write('second');
    await vi.waitFor(() => expect(troubles).toEqual([expect.stringContaining('EPIPE')]));
    expect(sink.lostCount).toBe(2);
    for (let index = 0; index < 100; index += 1) {
      sink.write('more');
      await new Promise(setImmediate);
    }
    expect(sink.lostCount).toBe(102);
    expect(write).toHaveBeenCalledTimes(1);
    write.mockRestore();
    await sink[Symbol.asyncDispose]();
    expect([troubles.length, recoveries]).toEqual([1, []]);
  });

  test.skipIf(process.platform === 'win32')('is closed at once where the reader went with the last lines', async () => {
    const { sink } = await openAbandonedStream();
    sink.write('last');
    await sink[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
  });
});

/** A sink that takes a pipe without reader for its standard error. */
async function openAbandonedStream(): Promise<{ sink: LineSink } & Told> {
  await using folder = await createFolder();
  execFileSync('mkfifo', [folder.file('pipe')]);
  const reader = await open(folder.file('pipe'), constants.O_RDONLY | constants.O_NONBLOCK);
  const stream = new sonicBoom.SonicBoom({ fd: fs.openSync(folder.file('pipe'), 'w') });
  await reader.close();
  const troubles: string[] = [];
  const recoveries: number[] = [];
  const sink = new LineSink(stream, {
    target: 2,
    overwrite: false,
    maxPendingBytes: 1000,
    onTrouble: (detail) => troubles.push(detail),
    onRecovered: (count) => recoveries.push(count),
  });
  return { sink, troubles, recoveries };
}
