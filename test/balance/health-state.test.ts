import { describe, expect, test } from 'vitest';
import { HealthState } from '../../src/balance/health-state.ts';

describe('the health of one member', () => {
  test.each([
    { name: 'goes down after `fall` failures in a row', healthy: true, results: 'FFF', flips: '..!' },
    { name: 'a success in between restarts the count', healthy: true, results: 'FFSFF', flips: '.....' },
    { name: 'comes back after `rise` successes in a row', healthy: false, results: 'SS', flips: '.!' },
    { name: 'a failure in between restarts the recovery', healthy: false, results: 'SFSS', flips: '...!' },
    { name: 'counts afresh after each change', healthy: true, results: 'FFFSSFFF', flips: '..!.!..!' },
    { name: 'more of the same changes nothing', healthy: true, results: 'SSSFFFFF', flips: '.....!..' },
  ])('$name', ({ healthy, results, flips }) => {
    const state = new HealthState({ rise: 2, fall: 3 }, healthy);
    expect([...results].map((result) => (state.observe(result === 'S') ? '!' : '.')).join('')).toBe(flips);
  });

  test('tells what it believes', () => {
    const state = new HealthState({ rise: 1, fall: 1 }, true);
    state.observe(false);
    expect(state.healthy).toBe(false);
  });
});
