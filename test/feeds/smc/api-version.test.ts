import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseApiVersion, compareApiVersions, isApiVersion } from '../../../src/feeds/smc/api-version.ts';

const VERSION = fc
  .array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('.'));

describe('versions of the API', () => {
  test.each([
    ['6.10', '6.9', 1],
    ['6.9', '6.10', -1],
    ['7', '7.0', 0],
    ['7.0', '6.11', 1],
    ['6.7', '6.7', 0],
  ])('%s against %s', (a, b, sign) => {
    expect(Math.sign(compareApiVersions(a, b))).toBe(sign);
  });

  test.each([
    { wanted: '6.7', offered: ['6.6', '6.7', '6.8'], chosen: '6.7', name: 'the wanted one where it is offered' },
    { wanted: '6.7', offered: ['7.1', '6.10', '6.9', '7.0'], chosen: '6.9', name: 'else the lowest above it' },
    { wanted: '6.10', offered: ['6.9', '6.1'], chosen: '6.9', name: 'else the highest' },
    { wanted: '6.10', offered: ['6.1', '6.10'], chosen: '6.10', name: '6.10 is not 6.1' },
    { wanted: '7', offered: ['6.11', '7.0'], chosen: '7.0', name: 'as the SMC writes it' },
    { wanted: '6.7', offered: ['../x', '7.0/login'], chosen: undefined, name: 'nothing that is no version' },
    { wanted: '6.7', offered: [], chosen: undefined, name: 'nothing where nothing is offered' },
  ])('$name', ({ wanted, offered, chosen }) => {
    expect(chooseApiVersion(wanted, offered)).toBe(chosen);
  });

  test('nothing between the wanted and the chosen one is passed over', () => {
    fc.assert(
      fc.property(VERSION, fc.array(VERSION, { minLength: 1 }), (wanted, offered) => {
        const chosen = chooseApiVersion(wanted, offered) as string;
        expect(offered).toContain(chosen);
        const above = offered.filter((each) => compareApiVersions(each, wanted) >= 0);
        for (const each of above.length > 0 ? above : [])
          expect(compareApiVersions(chosen, each)).toBeLessThanOrEqual(0);
        if (above.length === 0) {
          for (const each of offered) expect(compareApiVersions(chosen, each)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  test.each(['', '6.', '.7', '6.7-beta', '6.7/..', ' 6.7', '6.7.8.9.10', '99999'])('%j is no version', (text) => {
    expect(isApiVersion(text)).toBe(false);
  });
});
