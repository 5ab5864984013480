import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { STUNNEL_OPTIONS } from '../../src/stunnel/option-table.ts';
import { looksLikeStunnel, readStunnel } from '../../src/stunnel/reader.ts';

const CASES = join(import.meta.dirname, '../../stunnel-compat/cases');
const CORPUS = readdirSync(CASES).map((name) => readFileSync(join(CASES, name, 'stunnel.conf'), 'utf8'));
const LINES = CORPUS.flatMap((text) => text.split('\n'));
const VALUES = LINES.map((line) => line.slice(line.indexOf('=') + 1).trim());

/** A line of the corpus, an option with a value that was meant for another one, or anything at all. */
const line = fc.oneof(
  fc.constantFrom(...LINES),
  fc
    .tuple(
      fc.constantFrom(...STUNNEL_OPTIONS.map(({ name }) => name)),
      fc.oneof(fc.constantFrom(...VALUES), fc.string()),
    )
    .map(([name, value]) => `${name} = ${value}`),
  fc.string({ unit: 'binary' }),
);

const configuration = fc.array(line, { maxLength: 60 }).map((lines) => lines.join('\n'));

/** An included folder holds the same kind of text, one level of which may include again. */
function readChecked(text: string, included: string): void {
  const files = new Map([
    ['stunnel.conf', text],
    ['conf.d/a', included],
  ]);
  const { document, problems } = readStunnel(text, 'stunnel.conf', {
    readDirectory: () => ['a'],
    readFile: () => included,
  });
  if (document === undefined) expect(problems.some(({ severity }) => severity === 'error')).toBe(true);
  for (const problem of problems) {
    const known = files.get(problem.file) ?? included;
    expect(problem.line).toBeGreaterThanOrEqual(0);
    expect(problem.line).toBeLessThanOrEqual(known.split('\n').length);
    expect(problem.message).not.toBe('');
    expect(problem.message).not.toMatch(/undefined|NaN|\[object/);
  }
}

describe('any text', () => {
  test('made of lines in any order gives a document or an error, each problem at a line that exists', () => {
    fc.assert(
      fc.property(configuration, configuration, (text, included) => readChecked(text, included)),
      { seed: 20_261, numRuns: 300 },
    );
  });

  test('with a piece cut out or doubled does so too', () => {
    const mutated = fc
      .tuple(fc.constantFrom(...CORPUS), fc.nat(2000), fc.nat(40), fc.boolean())
      .map(([text, at, length, isDoubled]) => {
        const piece = text.slice(at, at + length);
        return isDoubled ? text.slice(0, at) + piece + text.slice(at) : text.slice(0, at) + text.slice(at + length);
      });
    fc.assert(
      fc.property(mutated, (text) => readChecked(text, '')),
      { seed: 20_262, numRuns: 500 },
    );
  });

  test('can be asked for its format', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => typeof looksLikeStunnel(text) === 'boolean'),
      { seed: 20_263, numRuns: 300 },
    );
  });
});

/** Milliseconds of the best of three runs: what the machine does beside this only adds. */
function measure(run: () => void): number {
  const durations = Array.from({ length: 3 }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return Math.min(...durations);
}

describe('reading is linear', () => {
  const sources = { readDirectory: () => [], readFile: () => '' };
  const UNIT = 64 * 1024;

  test.each([
    ['comments', '# a comment as long as comments are\n'],
    ['blank lines', ' \t \n'],
    ['nonsense', 'nonsense\n'],
    ['one option over and over', 'client = no\n'],
    ['sections', '[a]\n'],
    ['blanks on one line', ' '],
    ['equals signs on one line', '='],
  ])('in %s', (_, piece) => {
    const small = piece.repeat(UNIT / piece.length);
    const large = piece.repeat((UNIT * 15) / piece.length);
    const read = (text: string) => () => readStunnel(text, 'stunnel.conf', sources);
    // Quadratic work would take 225 times as long for 15 times the text.
    expect(measure(read(large))).toBeLessThan(measure(read(small)) * 100 + 100);
  });

  test('and what is far too large is not read at all', () => {
    const { document, problems } = readStunnel('a = b\n'.repeat(900_000), 'stunnel.conf', sources);
    expect(document).toBeUndefined();
    expect(problems).toHaveLength(1);
  });
});
