import { describe, expect, test } from 'vitest';
import { NameTable } from '../../src/policy/name-table.ts';

const TABLE = new NameTable([
  { patterns: ['dlp.example.com', '*.sub.example.com'], value: 'first' },
  { patterns: ['*.Example.com', '*late.org'], value: 'second' },
  { patterns: ['www.example.com', 'x.late.org'], value: 'third' },
]);

describe('a name is found by', () => {
  test.each([
    ['itself', 'dlp.example.com', 'first'],
    ['itself in another case', 'DLP.Example.COM', 'first'],
    ['its end', 'a.example.com', 'second'],
    ['its end over several labels', 'a.b.example.com', 'second'],
    ['its end in another case than the pattern', 'A.EXAMPLE.COM', 'second'],
    ['the pattern that comes first, a narrow one', 'a.sub.example.com', 'first'],
    ['the pattern that comes first, a wide one', 'www.example.com', 'second'],
    ['an end that begins within a label', 'x.late.org', 'second'],
    ['an end that is the whole name', 'late.org', 'second'],
  ])('%s', (_, name, value) => {
    expect(TABLE.find(name)).toBe(value);
  });

  test.each(['example.com', 'dlp.example.com.', 'example.org', '', 'dlp.example.com.evil.org'])(
    'nothing: %j',
    (name) => {
      expect(TABLE.find(name)).toBeUndefined();
    },
  );

  test('an asterisk alone, whatever it is', () => {
    expect(new NameTable([{ patterns: ['*'], value: 1 }]).find('any')).toBe(1);
  });
});

test('a name alone is found, and by its first entry where it comes twice', () => {
  const table = new NameTable([
    { patterns: ['other.example', 'dlp.example'], value: 'first' },
    { patterns: ['dlp.example'], value: 'second' },
  ]);
  expect([table.find('dlp.example'), table.find('other.example'), table.find('example')]).toEqual([
    ...['first', 'first', undefined],
  ]);
});

test('a table without patterns is empty', () => {
  expect(new NameTable([]).isEmpty).toBe(true);
  for (const pattern of ['dlp.example', '*.example']) {
    expect(new NameTable([{ patterns: [pattern], value: 1 }]).isEmpty).toBe(false);
  }
});

test('only letters of ASCII have cases: the Kelvin sign is no k', () => {
  expect(new NameTable([{ patterns: ['k.example'], value: 1 }]).find('\u212a.example')).toBeUndefined();
});
