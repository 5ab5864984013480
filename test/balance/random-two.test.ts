import { describe, expect, test } from 'vitest';
import { createRandomTwo } from '../../src/balance/random-two.ts';
import { candidatesOf, countChoices, describePolicy, draws } from './policy.contract.ts';

describe('random two', () => {
  describePolicy(createRandomTwo);

  test('of two members the less loaded one always wins', () => {
    expect(countChoices(createRandomTwo(), candidatesOf([1, 1], [5, 4]), 200)).toEqual([0, 200]);
  });

  test('the most loaded member is never chosen, since the second draw is another member', () => {
    expect(countChoices(createRandomTwo(), candidatesOf([1, 1, 1, 1], [3, 9, 3, 3]), 1_000)[1]).toBe(0);
  });

  test('connections that stay end up nearly even', () => {
    const policy = createRandomTwo();
    const candidates = candidatesOf([1, 1, 1, 1, 1]);
    const stream = draws();
    for (let i = 0; i < 5_000; i += 1) policy.choose(candidates, stream.next().value).active += 1;
    for (const { active } of candidates) expect(Math.abs(active - 1_000)).toBeLessThan(10);
  });

  test('a random number close to 1 still draws a member', () => {
    const draw = { ticket: 0, hashKey: '', random: () => 1 - 2 ** -53 };
    expect(createRandomTwo().choose(candidatesOf([1, 1, 1]), draw).name).toBe('c');
  });
});
