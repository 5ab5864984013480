import { describe, expect, test } from 'vitest';
import { type Endpoint, endpointsOfHost, endpointsOfTargets } from '../../src/health/endpoint.ts';
import { srvTarget } from '../_util/health-resolver.ts';

const BOOK = new Map([
  ['a.example', ['10.0.0.1']],
  ['b.example', ['10.0.0.2']],
  ['both.example', ['2001:db8::3', '10.0.0.3']],
  ['gone.example', []],
]);

function placed(...records: readonly string[]): readonly string[] {
  return endpointsOfTargets(records.map(srvTarget), BOOK).map(written);
}

function written({ host, ip, port, rank, share }: Endpoint): string {
  return `${rank} ${share} ${host} ${ip} ${port}`;
}

describe('where SRV records lead', () => {
  test('a lower priority comes first, whatever the numbers are', () => {
    expect(placed('20 1 a.example:1344', '10 1 b.example:1345')).toEqual([
      '0 1 b.example 10.0.0.2 1345',
      '1 1 a.example 10.0.0.1 1344',
    ]);
  });

  test('weights are shares among those of the same priority', () => {
    expect(placed('0 30 a.example:1344', '0 10 b.example:1344', '1 500 both.example:1344')).toEqual([
      '0 1.5 a.example 10.0.0.1 1344',
      '0 0.5 b.example 10.0.0.2 1344',
      '1 0.5 both.example 10.0.0.3 1344',
      '1 0.5 both.example 2001:db8::3 1344',
    ]);
  });

  test('without weights all get the same; beside others a weight of 0 gets a little', () => {
    expect(placed('0 0 a.example:1344', '0 0 b.example:1344').map((each) => each.split(' ')[1])).toEqual(['1', '1']);
    expect(placed('0 199 a.example:1344', '0 0 b.example:1344').map((each) => each.split(' ')[1])).toEqual([
      '1.99',
      '0.01',
    ]);
  });

  test('the order does not depend on that of the answer', () => {
    const records = [
      '0 5 a.example:1345',
      '0 5 a.example:1344',
      '0 5 b.example:1',
      '0 9 both.example:1',
      '3 0 b.example:2',
    ];
    expect(placed(...records.toReversed())).toEqual(placed(...records));
  });

  test('a target without an address takes no rank and no share', () => {
    expect(placed('0 100 gone.example:1344', '5 100 gone.example:1344', '5 100 a.example:1344')).toEqual([
      '0 1 a.example 10.0.0.1 1344',
    ]);
  });

  test('one place is one place, also when two records lead to it', () => {
    expect(placed('1 1 a.example:1344', '0 1 a.example:1344', '0 1 a.example:1345')).toEqual([
      '0 1 a.example 10.0.0.1 1344',
      '0 1 a.example 10.0.0.1 1345',
    ]);
  });
});

test('every address of a host has a whole share', () => {
  expect(endpointsOfHost('both.example', 1344, BOOK).map(written)).toEqual([
    '0 1 both.example 10.0.0.3 1344',
    '0 1 both.example 2001:db8::3 1344',
  ]);
});
