import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watchFiles } from '../../src/runtime/file-watch.ts';

const INTERVAL_MS = 10_000;
let folder = '';

beforeEach(() => {
  vi.useFakeTimers();
  folder = mkdtempSync(join(tmpdir(), 'icapgw-crl-'));
  writeFileSync(join(folder, 'a.crl'), 'one');
});

afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

function watch(path: string, answers: boolean[]): Disposable & { readonly count: () => number } {
  let count = 0;
  const watching = watchFiles({
    paths: [path],
    intervalMs: INTERVAL_MS,
    onChange: () => {
      count += 1;
      return answers.shift() ?? true;
    },
  });
  return { count: () => count, [Symbol.dispose]: () => watching[Symbol.dispose]() };
}

test('looks once at first, then only when something changed', () => {
  using lists = watch(join(folder, 'a.crl'), []);
  vi.advanceTimersByTime(3 * INTERVAL_MS);
  expect(lists.count()).toBe(1);
  writeFileSync(join(folder, 'new'), 'another');
  renameSync(join(folder, 'new'), join(folder, 'a.crl'));
  vi.advanceTimersByTime(3 * INTERVAL_MS);
  expect(lists.count()).toBe(2);
});

test('offers again what was not taken', () => {
  using lists = watch(join(folder, 'a.crl'), [true, false, false, true]);
  vi.advanceTimersByTime(INTERVAL_MS);
  writeFileSync(join(folder, 'a.crl'), 'changed');
  vi.advanceTimersByTime(5 * INTERVAL_MS);
  expect(lists.count()).toBe(4);
});

test('sees files come and go in a folder', () => {
  using lists = watch(folder, []);
  vi.advanceTimersByTime(INTERVAL_MS);
  writeFileSync(join(folder, 'b.crl'), 'two');
  vi.advanceTimersByTime(INTERVAL_MS);
  rmSync(join(folder, 'a.crl'));
  vi.advanceTimersByTime(INTERVAL_MS);
  expect(lists.count()).toBe(3);
});

test('offers a file that cannot be looked at as one that changed, instead of ending the program', () => {
  using lists = watch(join(folder, 'a.crl'), []);
  vi.advanceTimersByTime(INTERVAL_MS);
  rmSync(join(folder, 'a.crl'));
  symlinkSync('a.crl', join(folder, 'a.crl'));
  vi.advanceTimersByTime(2 * INTERVAL_MS);
  expect(lists.count()).toBe(2);
});
