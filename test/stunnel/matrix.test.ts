import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { renderDifferences, renderMatrix } from '../../src/stunnel/matrix.ts';
import { findOption, nearestOption, STUNNEL_OPTIONS } from '../../src/stunnel/option-table.ts';

const GUIDE = join(import.meta.dirname, '../../docs/stunnel-migration.md');
const DIFFERENCES_START = '<!-- options: written by the program -->';
const DIFFERENCES_END = '<!-- /options -->';
const MATRIX = join(import.meta.dirname, '../../stunnel-compat/README.md');

test('the compatibility matrix in stunnel-compat is the one of the option table', () => {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(MATRIX, renderMatrix());
  expect(readFileSync(MATRIX, 'utf8'), 'rewrite it with UPDATE_GOLDEN=1 npx vitest run test/stunnel').toBe(
    renderMatrix(),
  );
});

test('the guide for the move tells of every option that is not as in stunnel', () => {
  const [before, after = ''] = readFileSync(GUIDE, 'utf8').split(DIFFERENCES_START);
  const [given = '', rest = ''] = after.split(DIFFERENCES_END);
  const wanted = `\n\n${renderDifferences()}\n`;
  if (process.env['UPDATE_GOLDEN'] === '1') {
    writeFileSync(GUIDE, [before, DIFFERENCES_START, wanted, DIFFERENCES_END, rest].join(''));
    return;
  }
  expect(given, 'rewrite it with UPDATE_GOLDEN=1 npx vitest run test/stunnel').toBe(wanted);
});

describe('the option table', () => {
  test('has every name and alias once, whatever the case', () => {
    const names = STUNNEL_OPTIONS.flatMap(({ name, aliases }) => [name, ...aliases]).map((name) => name.toLowerCase());
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  test('says of every refused or ignored option what to do', () => {
    const silent = STUNNEL_OPTIONS.filter(({ verdict }) => verdict === 'refused' || verdict === 'warned')
      .filter(({ instead, note }) => instead === '' && note === '')
      .map(({ name }) => name);
    expect(silent).toEqual([]);
  });

  test('ignores no option that a tunnel depends on', () => {
    const ignored = STUNNEL_OPTIONS.filter(({ rating, verdict }) => rating === 'A' && verdict === 'warned');
    expect(ignored.map(({ name }) => name)).toEqual([]);
  });

  test.each(['cert', 'CERT', 'Cert'])('finds %s', (name) => {
    expect(findOption(name)?.name).toBe('cert');
  });

  test('knows aliases', () => {
    expect(findOption('session')?.name).toBe('sessionCacheTimeout');
    expect(findOption('curve')?.name).toBe('curves');
  });

  test.each([
    ['TIMEOUTclse', 'TIMEOUTclose'],
    ['cafiles', 'CAfile'],
    ['banana', undefined],
    ['a'.repeat(10_000), undefined],
  ])('guesses %s as %s', (given, guess) => {
    expect(nearestOption(given)).toBe(guess);
  });
});
