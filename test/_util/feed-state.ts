import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** What `feeds.db` has of an address. */
export interface KeptEntry {
  readonly address: string;
  readonly untilMs: number;
  readonly findings: number;
  readonly isPending: boolean;
  readonly engines: readonly KeptHold[];
}

export interface KeptHold {
  readonly engine: string;
  readonly outcome: string;
  readonly heldUntilMs: number;
}

/** What has been committed to the `feeds.db` of a folder, whoever has it open at the moment. */
export function readFeedState(folder: string): readonly KeptEntry[] {
  const copy = mkdtempSync(join(tmpdir(), 'icapgw-feed-state-'));
  try {
    for (const name of ['feeds.db', 'feeds.db-wal']) {
      if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(copy, name));
    }
    using database = new DatabaseSync(join(copy, 'feeds.db'));
    return database.prepare('SELECT * FROM entries').all().map(entryOf);
  } finally {
    rmSync(copy, { recursive: true });
  }
}

function entryOf(row: Readonly<Record<string, unknown>>): KeptEntry {
  const holds = JSON.parse(String(row['engines'])) as readonly (readonly [string, string, number])[];
  return {
    address: String(row['address']),
    untilMs: Number(row['until_ms']),
    findings: Number(row['findings']),
    isPending: row['pending'] !== 0,
    engines: holds.map(([engine, outcome, heldUntilMs]) => ({ engine, outcome, heldUntilMs })),
  };
}
