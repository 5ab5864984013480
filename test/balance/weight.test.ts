import { describe, expect, test } from 'vitest';
import { candidateAt, compareLoad, weightDivisor } from '../../src/balance/weight.ts';
import { candidatesOf } from './policy.contract.ts';

describe('the share in which a point falls', () => {
  const candidates = candidatesOf([2, 1, 1]);
  const [first, second] = candidates;
  const namesAt = (points: readonly number[], except?: typeof first) =>
    points.map((point) => candidateAt(candidates, point, except).name).join('');

  test('is as large as the weight', () => {
    expect(namesAt([0, 0.49, 0.5, 0.74, 0.75, 0.99])).toBe('aabbcc');
  });

  test('is larger where one has none', () => {
    expect(namesAt([0, 0.49, 0.5, 0.99], first)).toBe('bbcc');
    expect(namesAt([0, 0.66, 0.67, 0.99], second)).toBe('aacc');
  });

  test('is that of the last one where rounding leads beyond', () => {
    expect(namesAt([1])).toBe('c');
  });
});

test('loads are compared by what they are for their weight', () => {
  const [light, heavy = light] = candidatesOf([1, 3], [2, 5]);
  expect([compareLoad(heavy, light), compareLoad(light, heavy), compareLoad(light, light)]).toEqual([-1, 1, 0]);
});

test.each([
  [[4, 6, 8], 2],
  [[256, 512], 256],
  [[3, 4], 1],
  [[5], 5],
  [[0, 6], 6],
])('the greatest divisor of %j is %i', (weights, divisor) => {
  expect(weightDivisor(candidatesOf(weights))).toBe(divisor);
});
