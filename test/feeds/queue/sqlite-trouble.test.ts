import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { FeedEntry } from '../../../src/feeds/contract/feed-queue.ts';
import { FeedFile, openFeedFile } from '../../../src/feeds/queue/feed-file.ts';
import { describeSqliteTrouble, type SqliteTrouble, sqliteTroubleOf } from '../../../src/feeds/queue/sqlite-trouble.ts';
import { createConfigFolder } from '../../_util/config-folder.ts';

const NOW = Date.UTC(2026, 0, 1);

/** As node:sqlite throws it. */
function errorOf(errcode: number): Error {
  return Object.assign(new Error(`result ${errcode}`), { code: 'ERR_SQLITE_ERROR', errcode });
}

describe('result codes of SQLite, also extended ones', () => {
  test.each<[string, number, SqliteTrouble]>([
    ['SQLITE_ERROR', 1, 'damaged'],
    ['SQLITE_ERROR_MISSING_COLLSEQ', 257, 'damaged'],
    ['SQLITE_BUSY', 5, 'busy'],
    ['SQLITE_BUSY_RECOVERY', 261, 'busy'],
    ['SQLITE_BUSY_SNAPSHOT', 517, 'busy'],
    ['SQLITE_READONLY', 8, 'other'],
    ['SQLITE_READONLY_DBMOVED', 1032, 'other'],
    ['SQLITE_IOERR', 10, 'failing'],
    ['SQLITE_IOERR_READ', 266, 'failing'],
    ['SQLITE_IOERR_SHORT_READ', 522, 'failing'],
    ['SQLITE_IOERR_WRITE', 778, 'failing'],
    ['SQLITE_IOERR_FSYNC', 1034, 'failing'],
    ['SQLITE_CORRUPT', 11, 'damaged'],
    ['SQLITE_CORRUPT_VTAB', 267, 'damaged'],
    ['SQLITE_CORRUPT_INDEX', 779, 'damaged'],
    ['SQLITE_FULL', 13, 'full'],
    ['SQLITE_CANTOPEN', 14, 'other'],
    ['SQLITE_CANTOPEN_ISDIR', 526, 'other'],
    ['SQLITE_NOTADB', 26, 'damaged'],
  ])('%s (%i) is %s', (_, code, trouble) => {
    expect(sqliteTroubleOf(errorOf(code))).toBe(trouble);
  });

  test('what is no error of SQLite is none of them', () => {
    expect(sqliteTroubleOf(new Error('x'))).toBeUndefined();
    expect(sqliteTroubleOf('x')).toBeUndefined();
  });

  test('say what to do', () => {
    expect(describeSqliteTrouble(errorOf(261))).toMatch(/^another process works with it/);
    expect(describeSqliteTrouble(errorOf(13))).toBe('result 13; free some space, or set another feeds.state-dir');
    expect(describeSqliteTrouble(errorOf(778))).toMatch(/^result 778; look at the disk/);
    expect(describeSqliteTrouble(errorOf(8))).toMatch(/^result 8; let the user that icapgw runs as write to it/);
  });
});

test('a full disk takes nothing of a change, keeps what was there, and takes it when there is room', () => {
  using folder = createConfigFolder({});
  openFeedFile(folder.path, NOW).file[Symbol.dispose]();
  const path = join(folder.path, 'feeds.db');
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA max_page_count = 8;');
  using file = new FeedFile(path, database);
  const entries = (from: number, count: number): ReadonlyMap<string, FeedEntry> =>
    new Map(Array.from({ length: count }, (_, index) => entryOf(`198.51.${from}.${index}`)).map((e) => [e.address, e]));
  file.write(entries(1, 2), NOW);
  let thrown: unknown;
  try {
    file.write(entries(2, 200), NOW);
  } catch (error) {
    thrown = error;
  }
  expect(sqliteTroubleOf(thrown)).toBe('full');
  const addresses = (): number => Number(database.prepare('SELECT count(*) AS n FROM entries').get()?.['n']);
  expect(addresses()).toBe(2);
  database.exec('PRAGMA max_page_count = 1000');
  file.write(entries(2, 200), NOW);
  expect(addresses()).toBe(202);
});

function entryOf(address: string): FeedEntry {
  return {
    ...{ address, source: 'guardduty', type: 'T'.repeat(200), sinceMs: NOW, untilMs: NOW + 60_000, findings: 1 },
    ...{ isPending: true, engines: new Map() },
  };
}
