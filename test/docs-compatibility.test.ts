import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const TEXT = readFileSync(join(ROOT, 'docs/compatibility.md'), 'utf8');
/** What proves something stands in the columns of these titles. */
const PROVING: ReadonlySet<string> = new Set([
  'tunnel',
  'ICAP mode',
  'server mode',
  'client mode',
  'the product',
  'proven by',
]);

function cellsOf(line: string): readonly string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** The cells below the titles of every table that are to prove something. */
function provingCells(): readonly string[] {
  let titles: readonly string[] = [];
  const cells: string[] = [];
  for (const line of TEXT.split('\n')) {
    if (!line.startsWith('|')) titles = [];
    else if (titles.length === 0) titles = cellsOf(line);
    else if (!/^\| *-/.test(line))
      cells.push(...cellsOf(line).filter((_, column) => PROVING.has(titles[column] ?? '')));
  }
  return cells;
}

describe('docs/compatibility.md', () => {
  test('names a test in each cell, or says that it rests on documents', () => {
    const cells = provingCells();
    expect(cells.length).toBeGreaterThan(50);
    expect(cells.filter((cell) => !/`test\/[\w/-]+\.test\.ts`|^documents\b|^-$/.test(cell))).toEqual([]);
  });

  test('names only tests that there are', () => {
    const named = [...TEXT.matchAll(/`(test\/[^`]+)`/g)].map(([, file = '']) => file);
    expect(named.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });

  test('names every test that compares with stunnel', () => {
    const files = readdirSync(join(ROOT, 'test/e2e')).filter((name) => name.startsWith('differential-'));
    expect(files.length).toBeGreaterThan(10);
    expect(files.filter((name) => !TEXT.includes(`\`test/e2e/${name}\``))).toEqual([]);
  });
});
