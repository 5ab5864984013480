import { expect, test } from 'vitest';
import { FreshFindings } from '../../../src/feeds/rabbitmq/fresh-findings.ts';
import { sighting } from '../queue.contract.ts';

test('what is fresh is given back once, in order', () => {
  const fresh = new FreshFindings(10);
  fresh.add([sighting('198.51.100.1')], 100);
  fresh.add([sighting('198.51.100.2'), sighting('198.51.100.3')], 101);
  fresh.add([sighting('198.51.100.4')], 105);
  expect(fresh.take(110).map(({ sighting: { address }, sentMs }) => [address, sentMs])).toEqual([
    ['198.51.100.2', 101],
    ['198.51.100.3', 101],
    ['198.51.100.4', 105],
  ]);
  expect(fresh.take(110)).toEqual([]);
});

test('what was fresh is forgotten when the next comes', () => {
  const fresh = new FreshFindings(10);
  fresh.add([sighting('198.51.100.1')], 100);
  fresh.add([sighting('198.51.100.2')], 110);
  expect(fresh.take(105).map((each) => each.sighting.address)).toEqual(['198.51.100.2']);
});

test('of a flood the last ones are known', () => {
  const fresh = new FreshFindings(10);
  for (let round = 0; round < 3; round += 1) {
    fresh.add(
      Array.from({ length: 4000 }, (_, at) => sighting(`10.${round}.${at >> 8}.${at & 255}`)),
      100,
    );
  }
  const known = fresh.take(100).map((each) => each.sighting.address);
  expect([known.length, known[0], known.at(-1)]).toEqual([10_000, '10.0.7.208', '10.2.15.159']);
});
