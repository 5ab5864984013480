import { describe, expect, test } from 'vitest';
import { EjectionRecord, mayEject } from '../../src/balance/ejection.ts';

describe('whether a member may be ejected', () => {
  test.each([
    { name: 'one of two at half', members: 2, up: 2, ejected: 0, maxEjected: 0.5, allowed: true },
    { name: 'never the only member', members: 1, up: 1, ejected: 0, maxEjected: 1, allowed: false },
    { name: 'never the last one that is up', members: 4, up: 1, ejected: 0, maxEjected: 1, allowed: false },
    { name: 'always one, however small the part', members: 3, up: 3, ejected: 0, maxEjected: 0.01, allowed: true },
    { name: 'nobody where the part is 0', members: 9, up: 9, ejected: 0, maxEjected: 0, allowed: false },
    { name: 'up to the part', members: 4, up: 3, ejected: 1, maxEjected: 0.5, allowed: true },
    { name: 'not beyond the part', members: 5, up: 3, ejected: 2, maxEjected: 0.5, allowed: false },
  ])('$name', ({ allowed, ...pool }) => {
    expect(mayEject(pool)).toBe(allowed);
  });
});

describe('how long an ejection lasts', () => {
  test('each one lasts longer by the base, up to 300 s', () => {
    const record = new EjectionRecord(90_000);
    const lengths = [0, 1, 2, 3, 4].map((time) => {
      const length = record.begin(time);
      record.end(time);
      return length;
    });
    expect(lengths).toEqual([90_000, 180_000, 270_000, 300_000, 300_000]);
  });

  test('a base above 300 s stays as it is', () => {
    const record = new EjectionRecord(400_000);
    expect([record.begin(0), record.begin(1)]).toEqual([400_000, 400_000]);
  });

  test('300 s of good conduct clear the record, less do not', () => {
    const record = new EjectionRecord(30_000);
    record.begin(0);
    record.end(30_000);
    expect(record.begin(329_999)).toBe(60_000);
    record.end(400_000);
    expect(record.begin(700_000)).toBe(30_000);
  });
});
