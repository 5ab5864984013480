import {
  chmodSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { FeedEntry } from '../../../src/feeds/contract/feed-queue.ts';
import { type OpenedFeedFile, openFeedFile } from '../../../src/feeds/queue/feed-file.ts';
import { type ConfigFolder, createConfigFolder } from '../../_util/config-folder.ts';

const NOW = Date.UTC(2026, 0, 1);

function entry(address: string, more: Partial<FeedEntry> = {}): FeedEntry {
  return {
    ...{ address, source: 'guardduty', type: 'T', sinceMs: NOW, untilMs: NOW + 60_000, findings: 2, isPending: true },
    engines: new Map([['NGFW 1', { outcome: 'added', heldUntilMs: NOW + 30_000 }]]),
    ...more,
  };
}

function write(folder: ConfigFolder, entries: readonly FeedEntry[]): void {
  using file = openFeedFile(folder.path, NOW).file;
  file.write(new Map(entries.map((each) => [each.address, each])), NOW);
}

function reopen(folder: ConfigFolder, nowMs = NOW): Omit<OpenedFeedFile, 'file'> {
  const { file, ...rest } = openFeedFile(folder.path, nowMs);
  file[Symbol.dispose]();
  return rest;
}

test('what was written is there again, in the order in which it came', () => {
  using folder = createConfigFolder({});
  const entries = [
    entry('192.0.2.9'),
    entry('2001:db8::1', { sinceMs: NOW + 1, isPending: false, engines: new Map() }),
  ];
  write(folder, entries.toReversed());
  expect(reopen(folder)).toEqual({ entries, damaged: undefined });
});

test('a file that others could read, as one from a backup, is for its owner alone again, with what lies beside it', () => {
  using folder = createConfigFolder({});
  write(folder, [entry('192.0.2.1')]);
  chmodSync(join(folder.path, 'feeds.db'), 0o644);
  using _file = openFeedFile(folder.path, NOW).file;
  for (const name of readdirSync(folder.path)) {
    expect([name, statSync(join(folder.path, name)).mode & 0o777]).toEqual([name, 0o600]);
  }
});

test('what has had its time is not', () => {
  using folder = createConfigFolder({});
  write(folder, [entry('192.0.2.1'), entry('192.0.2.2', { untilMs: NOW + 60_001 })]);
  expect(reopen(folder, NOW + 60_000).entries.map(({ address }) => address)).toEqual(['192.0.2.2']);
});

test('a change takes the place of what was there, and can be that nothing is', () => {
  using folder = createConfigFolder({});
  write(folder, [entry('192.0.2.1'), entry('192.0.2.2')]);
  using file = openFeedFile(folder.path, NOW).file;
  file.write(
    new Map([
      ['192.0.2.1', undefined],
      ['192.0.2.2', entry('192.0.2.2', { findings: 9 })],
    ]),
    NOW,
  );
  file[Symbol.dispose]();
  expect(reopen(folder).entries).toMatchObject([{ address: '192.0.2.2', findings: 9 }]);
});

test('a write without changes writes all the same: it asks whether the disk works', () => {
  using folder = createConfigFolder({});
  using file = openFeedFile(folder.path, NOW).file;
  const log = join(folder.path, 'feeds.db-wal');
  const before = statSync(log).size;
  file.write(new Map(), NOW);
  expect(statSync(log).size).toBeGreaterThan(before);
});

test('what has had its time is found without looking at all the rest', () => {
  using folder = createConfigFolder({});
  write(folder, [entry('192.0.2.1')]);
  const database = new DatabaseSync(join(folder.path, 'feeds.db'));
  const plan = database.prepare('EXPLAIN QUERY PLAN DELETE FROM entries WHERE until_ms <= 1').all();
  database.close();
  expect(String(plan[0]?.['detail'])).toContain('SEARCH');
});

test('only the user it runs as may read it', () => {
  using folder = createConfigFolder({});
  const inner = { path: join(folder.path, 'a/b'), [Symbol.dispose]() {} };
  using file = openFeedFile(inner.path, NOW).file;
  file.write(new Map([['192.0.2.1', entry('192.0.2.1')]]), NOW);
  expect(statSync(inner.path).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(inner.path))
    expect([name, statSync(join(inner.path, name)).mode & 0o777]).toEqual([name, 0o600]);
});

describe('a folder that cannot be used', () => {
  test('because somebody else has the file', () => {
    using folder = createConfigFolder({});
    using _ = openFeedFile(folder.path, NOW).file;
    expect(() => openFeedFile(folder.path, NOW)).toThrow(expect.objectContaining({ code: 'ICAPGW_FEED_STATE' }));
    expect(() => openFeedFile(folder.path, NOW)).toThrow('another process works with it');
  });

  test('because it is no folder', () => {
    using folder = createConfigFolder({ file: '' });
    expect(() => openFeedFile(join(folder.path, 'file'), NOW)).toThrow(
      expect.objectContaining({ code: 'ICAPGW_FEED_STATE' }),
    );
  });

  test('is free again when its owner is gone', () => {
    using folder = createConfigFolder({});
    openFeedFile(folder.path, NOW).file[Symbol.dispose]();
    openFeedFile(folder.path, NOW).file[Symbol.dispose]();
  });
});

describe('a damaged file is set aside and a new one begun', () => {
  function damage(how: (path: string) => void): { folder: ConfigFolder; opened: Omit<OpenedFeedFile, 'file'> } {
    const folder = createConfigFolder({});
    write(
      folder,
      Array.from({ length: 500 }, (_, index) => entry(`192.0.${index >> 8}.${index & 0xff}`)),
    );
    how(join(folder.path, 'feeds.db'));
    return { folder, opened: reopen(folder) };
  }

  test.each<[string, (path: string) => void]>([
    ['no database at all', (path) => writeFileSync(path, 'no database'.repeat(100))],
    ['cut', (path) => truncateSync(path, Math.floor(statSync(path).size / 2))],
    ['overwritten in the middle', (path) => overwrite(path)],
    [
      'of a later version',
      (path) => {
        const database = new DatabaseSync(path);
        database.exec('PRAGMA user_version = 99');
        database.close();
      },
    ],
    [
      'with rows of another kind',
      (path) => {
        const database = new DatabaseSync(path);
        database.exec(`UPDATE entries SET engines = '[["e","broken",1]]'`);
        database.close();
      },
    ],
    [
      'with what is no address',
      (path) => {
        const database = new DatabaseSync(path);
        database.exec(`UPDATE entries SET address = address || ' ' WHERE address = '192.0.1.1'`);
        database.close();
      },
    ],
    [
      'with tables of somebody else',
      (path) => {
        const database = new DatabaseSync(path);
        database.exec('DROP TABLE entries; CREATE TABLE entries (name TEXT)');
        database.close();
      },
    ],
  ])('%s', (_, how) => {
    const { folder, opened } = damage(how);
    using _folder = folder;
    expect(opened.entries).toEqual([]);
    expect(opened.damaged).toMatchObject({ movedTo: join(folder.path, 'feeds.db.damaged-20260101T000000Z') });
    expect(readdirSync(folder.path)).toContain('feeds.db.damaged-20260101T000000Z');
    expect(reopen(folder).damaged).toBeUndefined();
  });

  test('one that is empty is none, and damaged ones do not take each other’s place', () => {
    using folder = createConfigFolder({ 'feeds.db': '' });
    expect(reopen(folder).damaged).toBeUndefined();
    for (const name of ['', '-2', '-3']) {
      rmSync(join(folder.path, 'feeds.db'));
      writeFileSync(join(folder.path, 'feeds.db'), 'x'.repeat(5000));
      expect(reopen(folder).damaged?.movedTo.endsWith(`Z${name}`)).toBe(true);
    }
  });
});

test('a file that was taken away while it is open takes nothing more', () => {
  using folder = createConfigFolder({});
  using file = openFeedFile(folder.path, NOW).file;
  renameSync(join(folder.path, 'feeds.db'), join(folder.path, 'elsewhere'));
  expect(() => file.write(new Map([['192.0.2.1', entry('192.0.2.1')]]), NOW)).toThrow(
    'no longer the file that was opened',
  );
});

/** Leaves the first page as it is and makes noise of the others. */
function overwrite(path: string): void {
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0xa5, 4096));
}
