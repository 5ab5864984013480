import { describe, expect, test } from 'vitest';
import { MAX_CONFIG_BYTES, readYaml } from '../../src/config/yaml.ts';

function syntaxProblems(text: string): readonly string[] {
  const { document, problems } = readYaml(text, 'a.yaml');
  expect(document).toBeUndefined();
  expect(problems.map(({ file, severity, code }) => ({ file, severity, code }))).toEqual(
    problems.map(() => ({ file: 'a.yaml', severity: 'error', code: 'ICAPGW_CONFIG_SYNTAX' })),
  );
  return problems.map(({ line, message }) => `${line} ${message}`);
}

describe('text that is not well-formed', () => {
  test.each([
    ['a tab as indentation', 'a:\n\tb: 1', '2 a tab cannot indent YAML; use spaces'],
    ['a key given twice', 'a: 1\nb: 2\na: 3', '3 "a" stands here a second time; the first is in line 1'],
    ['a nested key given twice', 'a:\n  b: 1\n  "b": 2', '3 "b" stands here a second time; the first is in line 2'],
    ['a colon in a value', 'a: b: c', '1 a value that holds a colon and a blank must be put in quotes'],
    ['a lone dash', 'file: -', '1 Unexpected block-seq-ind on same line with key; the value "-" must be put in quotes'],
    [
      'a bare IPv6 address',
      'x: 1\nlisten: [::]:443',
      '2 Unexpected scalar at node end; an IPv6 address must be put in quotes: "[::]:443"',
    ],
    [
      'a Windows path in double quotes',
      'cert: "C:\\stunnel\\key.pem"',
      '1 a backslash in double quotes must be doubled; put a Windows path in single quotes, or in none',
    ],
    ['two documents', 'a: 1\n---\nb: 2', '2 only one document per file; remove what follows "---"'],
    ['an unknown tag', 'a: !secret 1', '1 Unresolved tag: !secret'],
    ['a list as a key', '? [a]\n: 1', '1 With stringKeys, all keys must be strings'],
    ['an alias without an anchor', 'a: 1\nb: *c', '2 the alias "*c" names no anchor before it'],
    ['an alias inside of its anchor', 'a: &a [*a]', '1 the alias "*a" stands inside of what it names'],
    ['nothing', '', '0 the file says nothing; a configuration starts with "services:"'],
    ['only comments', '# a\n', '0 the file says nothing; a configuration starts with "services:"'],
  ])('%s is told with its line', (_name, text, expected) => {
    expect(syntaxProblems(text)).toContain(expected);
  });

  test('control characters in it do not reach the message', () => {
    expect(syntaxProblems('a: !\u009b31m 1').join()).not.toMatch(/\p{Cc}/u);
    expect(syntaxProblems('"\\e[31m": 1\n"\\e[31m": 2')).toEqual([
      '2 "\\u{1b}[31m" stands here a second time; the first is in line 1',
    ]);
  });
});

describe('hostile text', () => {
  test('one byte above the limit is refused unread', () => {
    expect(syntaxProblems(`a: ${'x'.repeat(MAX_CONFIG_BYTES - 2)}`)).toEqual([
      '0 larger than 1048576 bytes, which no configuration needs',
    ]);
    expect(readYaml(`a: ${'x'.repeat(MAX_CONFIG_BYTES - 3)}`, 'a.yaml').problems).toEqual([]);
  });

  test.each(['[', '{a: ', '- ', 'a: 1\n'])('%j without end is refused', (opening) => {
    expect(syntaxProblems(opening.repeat(20_000)).length).toBeLessThanOrEqual(20);
  });

  test('nesting is bounded before it hurts', () => {
    const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
    expect(readYaml(nested(32), 'a.yaml').problems).toEqual([]);
    expect(syntaxProblems(nested(100))).toEqual(['1 nested too deeply']);
  });

  test('aliases cannot multiply', () => {
    const level = (name: string, of: string) => `${name}: &${name} [${Array(9).fill(`*${of}`).join(', ')}]`;
    const bomb = ['a: &a [x]', level('b', 'a'), level('c', 'b'), level('d', 'c'), level('e', 'd')].join('\n');
    expect(syntaxProblems(bomb)).toEqual([expect.stringContaining('0 the aliases cannot be followed')]);
  });

  test('many keys in one mapping take linear time', () => {
    const text = Array.from({ length: 20_000 }, (_, index) => `k${index}: 1`).join('\n');
    const { document } = readYaml(text, 'a.yaml');
    expect(document?.lineOf(['k19999'])).toBe(20_000);
  });

  test('the prototype of objects is out of reach', () => {
    const { document } = readYaml('__proto__: { polluted: true }', 'a.yaml');
    expect(Object.keys(document?.value as object)).toEqual(['__proto__']);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });
});

describe('well-formed text', () => {
  test('is YAML 1.2: no and off are words, octals need 0o', () => {
    expect(readYaml('a: off\nb: no\nc: 010\nd: 0o10\ne: true\nf:', 'a.yaml').document?.value).toEqual({
      a: 'off',
      b: 'no',
      c: 10,
      d: 8,
      e: true,
      f: null,
    });
  });

  test('a byte order mark and CRLF do no harm', () => {
    const { document } = readYaml('\uFEFFa: 1\r\nb: [x, y]\r\n', 'a.yaml');
    expect(document?.value).toEqual({ a: 1, b: ['x', 'y'] });
    expect(document?.lineOf(['b'])).toBe(2);
  });

  test('settings may be shared by aliases', () => {
    expect(readYaml('a: &x { b: 1 }\nc: *x', 'a.yaml').document?.value).toEqual({ a: { b: 1 }, c: { b: 1 } });
  });

  test('every value has its line, and what is not there that of its parent', () => {
    const { document } = readYaml(
      '# head\na:\n  b:\n    - x\n    - c: 1\n      d: 2\ne: &e\n  f: 1\ng: *e\n',
      'a.yaml',
    );
    const lines = [
      ['a'],
      ['a', 'b'],
      ['a', 'b', 0],
      ['a', 'b', 1],
      ['a', 'b', 1, 'd'],
      ['a', 'z', 'y'],
      ['g', 'f'],
      [],
    ];
    expect(lines.map((path) => document?.lineOf(path))).toEqual([2, 3, 4, 5, 6, 2, 8, 2]);
  });
});
