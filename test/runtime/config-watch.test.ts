import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ConfigWatch } from '../../src/runtime/config-watch.ts';

/** More than two looks. */
const SETTLED_MS = 1000;
const INCLUDING = 'include = conf.d\n[a]\naccept = 1\nconnect = 2\n';
let folder = '';

beforeEach(() => {
  vi.useFakeTimers();
  folder = mkdtempSync(join(tmpdir(), 'icapgw-watch-'));
  mkdirSync(join(folder, 'conf.d'));
});

afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

/** Writes a file beside its place and renames it into that. */
function put(name: string, content: string): void {
  writeFileSync(join(folder, 'new'), content);
  renameSync(join(folder, 'new'), join(folder, name));
}

function watch(name: string): { readonly watching: ConfigWatch; readonly changed: () => number } {
  const watching = new ConfigWatch(name, folder);
  const onChange = vi.fn<() => void>();
  watching.start(onChange);
  return { watching, changed: () => onChange.mock.calls.length };
}

test('tells of a change once, and of nothing where nothing changes', () => {
  put('a.yaml', 'services: []');
  const { watching, changed } = watch('a.yaml');
  using _ = watching;
  vi.advanceTimersByTime(SETTLED_MS);
  expect(changed()).toBe(0);
  put('a.yaml', 'services: [1]');
  vi.advanceTimersByTime(SETTLED_MS);
  expect(changed()).toBe(1);
  vi.advanceTimersByTime(10 * SETTLED_MS);
  expect(changed()).toBe(1);
});

test('tells of what changed between its making and its start', () => {
  put('a.yaml', 'services: []');
  using watching = new ConfigWatch('a.yaml', folder);
  put('a.yaml', 'services: [1]');
  const onChange = vi.fn<() => void>();
  watching.start(onChange);
  vi.advanceTimersByTime(SETTLED_MS);
  expect(onChange).toHaveBeenCalledTimes(1);
});

test('waits for a file that is still being written', () => {
  put('a.yaml', 'services: []');
  const { watching, changed } = watch('a.yaml');
  using _ = watching;
  for (let length = 1; length < 10; length += 1) {
    writeFileSync(join(folder, 'a.yaml'), 'x'.repeat(length));
    vi.advanceTimersByTime(400);
    expect(changed()).toBe(0);
  }
  vi.advanceTimersByTime(400);
  expect(changed()).toBe(1);
});

test('sees files that a stunnel.conf includes come, change and go', () => {
  put('stunnel.conf', INCLUDING);
  const { watching, changed } = watch('stunnel.conf');
  using _ = watching;
  put('conf.d/b.conf', '[b]\naccept = 3\nconnect = 4\n');
  vi.advanceTimersByTime(SETTLED_MS);
  expect(changed()).toBe(1);
  put('conf.d/b.conf', '[b]\naccept = 3\nconnect = 40\n');
  vi.advanceTimersByTime(SETTLED_MS);
  expect(changed()).toBe(2);
  rmSync(join(folder, 'conf.d/b.conf'));
  vi.advanceTimersByTime(SETTLED_MS);
  expect(changed()).toBe(3);
});

test('watches what a changed file includes from then on', () => {
  put('stunnel.conf', '[a]\naccept = 1\nconnect = 2\n');
  const { watching, changed } = watch('stunnel.conf');
  using _ = watching;
  put('stunnel.conf', INCLUDING);
  vi.advanceTimersByTime(SETTLED_MS);
  put('conf.d/b.conf', '[b]\naccept = 3\nconnect = 4\n');
  vi.advanceTimersByTime(SETTLED_MS);
  expect(changed()).toBe(2);
});

test('sees a link that is pointed elsewhere, as Kubernetes does it, and a file that is gone', () => {
  for (const version of ['v1', 'v2']) {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, 'a.yaml'), 'services: []');
  }
  symlinkSync('v1', join(folder, '..data'));
  symlinkSync('..data/a.yaml', join(folder, 'a.yaml'));
  const { watching, changed } = watch('a.yaml');
  using _ = watching;
  symlinkSync('v2', join(folder, '..data.new'));
  renameSync(join(folder, '..data.new'), join(folder, '..data'));
  vi.advanceTimersByTime(SETTLED_MS);
  expect(changed()).toBe(1);
  rmSync(join(folder, 'v2'), { recursive: true });
  vi.advanceTimersByTime(SETTLED_MS);
  expect(changed()).toBe(2);
});
