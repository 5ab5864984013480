import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BlockListWatch } from '../../src/runtime/block-list-watch.ts';
import { type ConfigFolder, createConfigFolder } from '../_util/config-folder.ts';

const NOW = Date.UTC(2026, 10, 20);

let folder: ConfigFolder;
let file: string;
let exempt: Set<string>;
let changes: number;
let lines: string[];
let watch: BlockListWatch;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'], now: NOW });
  folder = createConfigFolder({});
  file = join(folder.path, 'list');
  exempt = new Set();
  changes = 0;
  lines = [];
  watch = new BlockListWatch({
    log: { log: (event, fields) => void lines.push(`${event} ${JSON.stringify(fields).replaceAll(file, 'LIST')}`) },
    isExempt: (block) => exempt.has(block),
    onChange: () => {
      changes += 1;
    },
  });
});
afterEach(() => {
  watch[Symbol.dispose]();
  folder[Symbol.dispose]();
  vi.useRealTimers();
});

function blocked(): readonly string[] {
  return watch.blocks.map(({ address }) => address);
}

/** Two looks: one that sees a change, one that sees that it is over. */
function lookTwice(): void {
  vi.advanceTimersByTime(1000);
}

test('what the file holds is blocked, addresses and networks apart', () => {
  writeFileSync(file, '198.51.100.7\n203.0.113.0/24\n2001:db8::1\n');
  watch.follow(file);
  expect(watch.listed).toEqual({ addresses: ['198.51.100.7', '2001:db8::1'], networks: ['203.0.113.0/24'] });
  expect(lines).toEqual(['block-list-read {"file":"LIST","count":3,"exempt":0}']);
  expect(changes).toBe(1);
  expect(watch.placeOf('203.0.113.0/24')).toBe(`${file}, line 2`);
  expect(watch.placeOf('203.0.113.1')).toBeUndefined();
  lookTwice();
  expect([changes, lines.length]).toEqual([1, 1]);
});

test('a changed file is in force after two looks that see the same, and who stays keeps the begin', () => {
  writeFileSync(file, '198.51.100.7\n198.51.100.8\n');
  watch.follow(file);
  lookTwice();
  writeFileSync(file, '198.51.100.9\n198.51.100.7');
  vi.advanceTimersByTime(500);
  expect(blocked()).toEqual(['198.51.100.7', '198.51.100.8']);
  writeFileSync(file, '198.51.100.9\n198.51.100.77\n198.51.100.7\n');
  vi.advanceTimersByTime(500);
  expect(blocked()).toEqual(['198.51.100.7', '198.51.100.8']);
  vi.advanceTimersByTime(500);
  expect(watch.blocks).toEqual([
    { address: '198.51.100.7', sinceMs: NOW, untilMs: undefined },
    { address: '198.51.100.9', sinceMs: Date.now(), untilMs: undefined },
    { address: '198.51.100.77', sinceMs: Date.now(), untilMs: undefined },
  ]);
  expect(lines.at(-1)).toBe('block-list-read {"file":"LIST","count":3,"exempt":0}');
});

test('a file that comes to be of no use changes nothing, is told once, and is taken when it is mended', () => {
  writeFileSync(file, '198.51.100.7\n');
  watch.follow(file);
  writeFileSync(file, '198.51.100.7\n<html>\n');
  lookTwice();
  lookTwice();
  rmSync(file);
  lookTwice();
  lookTwice();
  expect(blocked()).toEqual(['198.51.100.7']);
  expect(lines.slice(1)).toEqual([
    expect.stringMatching(/^block-list-failed .*LIST:2: \\"<html>\\" is neither/),
    expect.stringMatching(/^block-list-failed .*LIST does not exist/),
  ]);
  writeFileSync(`${file}.new`, '198.51.100.8\n');
  renameSync(`${file}.new`, file);
  lookTwice();
  expect(blocked()).toEqual(['198.51.100.8']);
});

test('what is never blocked is left out, as long as that is so', () => {
  writeFileSync(file, '198.51.100.7\n198.51.100.8\n');
  exempt.add('198.51.100.7');
  watch.follow(file);
  expect(blocked()).toEqual(['198.51.100.8']);
  expect(watch.placeOf('198.51.100.7')).toBeUndefined();
  expect(lines).toEqual(['block-list-read {"file":"LIST","count":1,"exempt":1}']);
  exempt = new Set(['198.51.100.8']);
  watch.reconsider();
  expect(blocked()).toEqual(['198.51.100.7']);
  watch.reconsider();
  expect(changes).toBe(2);
});

test('another file takes its place, and none ends it', () => {
  writeFileSync(file, '198.51.100.7\n');
  writeFileSync(`${file}2`, '198.51.100.8\n');
  watch.follow(file);
  watch.follow(`${file}2`);
  expect(blocked()).toEqual(['198.51.100.8']);
  watch.follow(undefined);
  expect(blocked()).toEqual([]);
  writeFileSync(`${file}2`, '198.51.100.9\n');
  lookTwice();
  expect([blocked(), changes]).toEqual([[], 3]);
});
