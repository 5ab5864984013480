import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coversPattern } from '../../src/config/server-name.ts';
import { NameTable } from '../../src/policy/name-table.ts';

describe('a pattern covers another', () => {
  test.each([
    ['a.example', 'A.example', true],
    ['*.example', 'a.example', true],
    ['*.example', '*.b.example', true],
    ['*example', '*.example', true],
    ['*', '*.example', true],
    ['*.example', '*example', false],
    ['*.example', '*', false],
    ['a.example', '*.example', false],
    ['a.example', 'b.example', false],
  ])('%s, %s: %s', (wider, pattern, covers) => {
    expect(coversPattern(wider, pattern)).toBe(covers);
  });

  test('and then nothing that fits it gets past', () => {
    const label = fc.stringMatching(/^[a-c.]{0,4}$/);
    const pattern = fc.tuple(fc.constantFrom('', '*'), label).map((parts) => parts.join(''));
    fc.assert(
      fc.property(pattern, pattern, label, (wider, narrow, name) => {
        const fits = (one: string): boolean => new NameTable([{ patterns: [one], value: true }]).find(name) === true;
        fc.pre(coversPattern(wider, narrow) && fits(narrow));
        expect(fits(wider)).toBe(true);
      }),
    );
  });
});
