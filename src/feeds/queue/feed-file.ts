import { closeSync, existsSync, fchmodSync, fstatSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { messageOf, RuntimeError } from '../../errors.ts';
import { canonicalAddress } from '../canonical-address.ts';
import type { EngineHold, EngineOutcome, FeedEntry } from '../contract/feed-queue.ts';
import type { BookChanges } from './feed-book.ts';
import { describeSqliteTrouble, sqliteTroubleOf } from './sqlite-trouble.ts';

/** What opening a file gives. */
export interface OpenedFeedFile {
  readonly file: FeedFile;
  /** What was in it and has not had its time. */
  readonly entries: readonly FeedEntry[];
  /** Where a file that could not be used was put, and why it could not; undefined: there was none. */
  readonly damaged: { readonly movedTo: string; readonly detail: string } | undefined;
}

const NAME = 'feeds.db';
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** Of the tables below. */
const LAYOUT = 1;
const OUTCOMES: readonly unknown[] = ['added', 'pending', 'rejected'] satisfies readonly EngineOutcome[];

const TABLES = `
  CREATE TABLE IF NOT EXISTS entries (
    address TEXT PRIMARY KEY, source TEXT NOT NULL, type TEXT NOT NULL, since_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL, findings INTEGER NOT NULL, pending INTEGER NOT NULL, engines TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS entries_by_end ON entries (until_ms);
  PRAGMA user_version = ${LAYOUT};`;

/** A file whose content is of no use: what is wrong with it. */
class DamagedError extends Error {}

/**
 * Opens `feeds.db` in a folder and takes it for this process alone. A file that is damaged is set aside, and a new one
 * begun. Throws `ICAPGW_FEED_STATE` where the folder cannot be used or another process has the file.
 */
export function openFeedFile(folder: string, nowMs: number): OpenedFeedFile {
  const path = join(folder, NAME);
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
    create(path);
  } catch (cause) {
    const detail = `${path}: ${messageOf(cause)}; let the user that icapgw runs as write to the folder, or set feeds.state-dir`;
    throw new RuntimeError('ICAPGW_FEED_STATE', { detail, cause });
  }
  try {
    return { ...openAt(path, nowMs), damaged: undefined };
  } catch (error) {
    const detail = damageOf(error);
    if (detail === undefined) throw refusal(path, error);
    const movedTo = setAside(path, nowMs);
    create(path);
    try {
      return { ...openAt(path, nowMs), damaged: { movedTo, detail } };
    } catch (again) {
      throw refusal(path, again);
    }
  }
}

/** Makes the file, or takes from others what they may do with it. SQLite gives the files beside it the same permissions. */
function create(path: string): void {
  const file = openSync(path, 'a', FILE_MODE);
  try {
    const { mode, uid } = fstatSync(file);
    // Only its owner may change them.
    if ((mode & 0o077) !== 0 && uid === process.geteuid?.()) fchmodSync(file, FILE_MODE);
  } finally {
    closeSync(file);
  }
}

function openAt(path: string, nowMs: number): Pick<OpenedFeedFile, 'file' | 'entries'> {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Without a file for shared memory, and with a lock that ends with the process, however that ends.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec('BEGIN IMMEDIATE; COMMIT;');
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
    if (version > LAYOUT) throw new DamagedError(`written by a later version of icapgw, with layout ${version}`);
    const [check] = database.prepare('PRAGMA quick_check(1)').all();
    if (check?.['quick_check'] !== 'ok') throw new DamagedError(String(check?.['quick_check']));
    database.exec(`BEGIN IMMEDIATE; ${TABLES} COMMIT;`);
    database.prepare('DELETE FROM entries WHERE until_ms <= ?').run(nowMs);
    const entries = database.prepare('SELECT * FROM entries ORDER BY since_ms, address').all().map(readRow);
    return { file: new FeedFile(path, database), entries };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** What is wrong with the content of a file; undefined where it is something else that stands in the way. */
function damageOf(error: unknown): string | undefined {
  return error instanceof DamagedError || sqliteTroubleOf(error) === 'damaged' ? messageOf(error) : undefined;
}

function refusal(path: string, cause: unknown): RuntimeError {
  return new RuntimeError('ICAPGW_FEED_STATE', { detail: `${path}: ${describeSqliteTrouble(cause)}`, cause });
}

// What was not yet merged into a damaged file belongs to it.
function setAside(path: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  let movedTo = `${path}.damaged-${stamp}`;
  for (let count = 2; existsSync(movedTo); count += 1) movedTo = `${path}.damaged-${stamp}-${count}`;
  renameSync(path, movedTo);
  for (const suffix of ['-wal', '-shm', '-journal']) {
    if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${movedTo}${suffix}`);
  }
  return movedTo;
}

/** An open `feeds.db`. Every call waits for the disk. */
export class FeedFile implements Disposable {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #inode: bigint;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;
  readonly #expire: StatementSync;

  constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
    this.#inode = statSync(path, { bigint: true }).ino;
    this.#upsert = database.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    this.#delete = database.prepare('DELETE FROM entries WHERE address = ?');
    this.#expire = database.prepare('DELETE FROM entries WHERE until_ms <= ?');
  }

  /**
   * All of it is on the disk when this returns, and none of it when it throws. Something is written also where nothing
   * has changed: that is how it is found out that the disk works.
   */
  write(changes: BookChanges, expireMs: number): void {
    this.#assertThere();
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      this.#expire.run(expireMs);
      for (const [address, entry] of changes) {
        if (entry === undefined) this.#delete.run(address);
        else this.#upsert.run(...rowOf(entry));
      }
      if (changes.size === 0) this.#database.exec(`PRAGMA user_version = ${LAYOUT}`);
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  // A file that was removed can still be written to, and is gone with the process.
  #assertThere(): void {
    const stats =
      statSync(dirname(this.#path), { throwIfNoEntry: false }) &&
      statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    if (stats?.ino === this.#inode) return;
    throw new Error(`${this.#path} is no longer the file that was opened: it was moved or removed; start icapgw again`);
  }
}

type Row = readonly [string, string, string, number, number, number, number, string];

function rowOf({ address, source, type, sinceMs, untilMs, findings, isPending, engines }: FeedEntry): Row {
  const holds = [...engines].map(([engine, { outcome, heldUntilMs }]) => [engine, outcome, heldUntilMs]);
  return [address, source, type, sinceMs, untilMs, findings, Number(isPending), JSON.stringify(holds)];
}

function readRow(row: Readonly<Record<string, unknown>>): FeedEntry {
  const address = String(row['address']);
  if (canonicalAddress(address) !== address) throw new DamagedError('a row does not hold what it should');
  return {
    address,
    source: String(row['source']),
    type: String(row['type']),
    sinceMs: Number(row['since_ms']),
    untilMs: Number(row['until_ms']),
    findings: Number(row['findings']),
    isPending: row['pending'] !== 0,
    engines: new Map(readHolds(String(row['engines']))),
  };
}

function readHolds(text: string): readonly (readonly [string, EngineHold])[] {
  let holds: unknown;
  try {
    holds = JSON.parse(text);
  } catch {
    holds = undefined;
  }
  if (!Array.isArray(holds)) throw new DamagedError('a row does not hold what it should');
  return holds.map((hold: unknown) => {
    const [engine, outcome, heldUntilMs]: readonly unknown[] = Array.isArray(hold) ? hold : [];
    if (typeof engine !== 'string' || !isOutcome(outcome) || typeof heldUntilMs !== 'number') {
      throw new DamagedError('a row does not hold what it should');
    }
    return [engine, { outcome, heldUntilMs }];
  });
}

function isOutcome(value: unknown): value is EngineOutcome {
  return OUTCOMES.includes(value);
}
