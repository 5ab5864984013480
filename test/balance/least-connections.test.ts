import { describe, expect, test } from 'vitest';
import { createLeastConnections } from '../../src/balance/least-connections.ts';
import { candidatesOf, describePolicy, draws } from './policy.contract.ts';

describe('least connections', () => {
  describePolicy(createLeastConnections);

  test.each([
    { name: 'the least loaded wins', weights: [1, 1, 1], active: [4, 2, 3], winner: 'b' },
    { name: 'load is counted against weight', weights: [4, 1], active: [7, 2], winner: 'a' },
    { name: 'a heavy member may hold more than a light one', weights: [1, 100], active: [1, 99], winner: 'b' },
  ])('$name', ({ weights, active, winner }) => {
    const policy = createLeastConnections();
    const stream = draws();
    const chosen = Array.from({ length: 5 }, () => policy.choose(candidatesOf(weights, active), stream.next().value));
    expect(new Set(chosen.map(({ name }) => name))).toEqual(new Set([winner]));
  });

  test('equals take turns', () => {
    const policy = createLeastConnections();
    const candidates = candidatesOf([1, 1, 1], [2, 9, 2]);
    const stream = draws();
    const chosen = Array.from({ length: 4 }, () => policy.choose(candidates, stream.next().value).name);
    expect(chosen.join('')).toBe('acac');
  });

  test('connections that stay spread by weight', () => {
    const policy = createLeastConnections();
    const candidates = candidatesOf([3, 2, 1]);
    const stream = draws();
    for (let i = 0; i < 600; i += 1) policy.choose(candidates, stream.next().value).active += 1;
    expect(candidates.map(({ active }) => active)).toEqual([300, 200, 100]);
  });
});
