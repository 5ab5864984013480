import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NoSourceError } from '../_util/debian-source.ts';
import { prepareStunnelSuite, STUNNEL, type StunnelSuite, type SuiteResult } from '../_util/stunnel-suite.ts';

const COMPAT = join(import.meta.dirname, '../../stunnel-compat');
const LAUNCHER = join(COMPAT, 'stunnel');
const RESULTS: Readonly<Record<string, readonly SuiteResult[]>> = {
  passes: ['succeeded'],
  skipped: ['skipped'],
  fails: ['failed', 'hangs'],
};

interface Expectation {
  readonly number: string;
  readonly about: string;
  readonly expected: string;
  readonly reason: string;
}

/** The table that people read is the one that is compared. */
const TABLE: readonly Expectation[] = readFileSync(join(COMPAT, 'suite.md'), 'utf8')
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter(([, number = '']) => /^\d{3}$/.test(number))
  .map(([, number = '', about = '', expected = '', reason = '']) => {
    if (!Object.hasOwn(RESULTS, expected)) throw new Error(`suite.md: test ${number}: no result ${expected}`);
    return { number, about, expected, reason };
  });

const folder = mkdtempSync(join(tmpdir(), 'icapgw-suite-'));
let suite: StunnelSuite | undefined;
let missing = '';
beforeAll(async () => {
  try {
    suite = await prepareStunnelSuite(folder);
  } catch (error) {
    // Where everything has to hold, it has to be there as well.
    if (!(error instanceof NoSourceError) || process.env['CI'] === 'true') throw error;
    missing = `not run, stunnel's own suite cannot be had: ${error.message}`;
    process.stderr.write(`${missing}\n`);
  }
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }));

test('every test that does not pass has its reason, and no other', () => {
  for (const { number, expected, reason } of TABLE)
    expect({ number, isPassing: expected === 'passes' }).toEqual({ number, isPassing: reason === '' });
});

test('the table names each test of the suite once', ({ skip }) => {
  if (suite === undefined) return skip(missing);
  expect(TABLE.map(({ number }) => number)).toEqual(suite.numbers);
});

/**
 * The suite stops to read what a program says as soon as its clients are served, and misses a line where the machine is
 * busy: what is to pass gets another chance.
 */
async function check(program: string, { number }: Expectation, results: readonly SuiteResult[]): Promise<void> {
  const { run } = suite as StunnelSuite;
  const first = await run(program, number);
  const isUnlucky = first.result === 'failed' && results.includes('succeeded');
  const { result, log } = isUnlucky ? await run(program, number) : first;
  expect(results, `${result}:\n${log}`).toContain(result);
}

/** Each waits for the others in part, and all share the machine. */
const PATIENCE = { timeout: 300_000 };

describe.concurrent("stunnel's own tests, with icapgw in its place", PATIENCE, () => {
  test.for(TABLE)('$number, $about: $expected', async (row, { skip }) => {
    if (suite === undefined) return skip(missing);
    await check(LAUNCHER, row, RESULTS[row.expected] ?? []);
  });
});

describe.concurrent("stunnel's own tests, with stunnel itself: they are run as they are meant to be", PATIENCE, () => {
  test.for(TABLE)('$number, $about', async (row, { skip }) => {
    if (suite === undefined) return skip(missing);
    await check(STUNNEL, row, row.about.includes('FIPS') ? ['skipped'] : ['succeeded']);
  });
});
