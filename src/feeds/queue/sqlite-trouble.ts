import { messageOf } from '../../errors.ts';

/** What stands in the way of a database: its content, another process, a full disk, a failing one, or something else. */
export type SqliteTrouble = 'damaged' | 'busy' | 'full' | 'failing' | 'other';

/** The primary result codes of SQLite. That a statement is wrong means here that the tables are somebody else's. */
const KINDS: ReadonlyMap<number, SqliteTrouble> = new Map([
  [1, 'damaged'],
  [5, 'busy'],
  [10, 'failing'],
  [11, 'damaged'],
  [13, 'full'],
  [26, 'damaged'],
]);

const ADVICE: Readonly<Record<Exclude<SqliteTrouble, 'damaged'>, string>> = {
  busy: 'another process works with it; end that one, or set another feeds.state-dir',
  full: 'free some space, or set another feeds.state-dir',
  failing: 'look at the disk and its quota, or set another feeds.state-dir',
  other: 'let the user that icapgw runs as write to it',
};

/** Undefined for what is no error of SQLite. */
export function sqliteTroubleOf(error: unknown): SqliteTrouble | undefined {
  if (!(error instanceof Error && 'errcode' in error)) return undefined;
  // The upper bits say more of it: that a lock is held to recover, which part is corrupt, which call has failed.
  return KINDS.get(Number(error.errcode) & 0xff) ?? 'other';
}

/** What is wrong, and what to do about it, where the content is not to blame. */
export function describeSqliteTrouble(error: unknown): string {
  const trouble = sqliteTroubleOf(error) ?? 'other';
  const advice = trouble === 'damaged' ? ADVICE.other : ADVICE[trouble];
  return trouble === 'busy' ? advice : `${messageOf(error)}; ${advice}`;
}
