import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { childrenOf, readTime, readTlv, type Tlv } from '../../src/tls/der.ts';

const time = (tag: number, text: string): number | undefined => {
  const bytes = Buffer.concat([Buffer.from([tag, text.length]), Buffer.from(text)]);
  const tlv = readTlv(bytes, 0);
  return tlv && readTime(bytes, tlv);
};

test.each([
  { name: 'a short length', hex: '3003020101', valueStart: 2, end: 5 },
  { name: 'a length of one byte', hex: `308103${'020101'}`, valueStart: 3, end: 6 },
  { name: 'a length of four bytes', hex: `308400000003${'020101'}`, valueStart: 6, end: 9 },
  { name: 'bytes that follow', hex: '0500ffff', valueStart: 2, end: 2 },
])('an element is found with $name', ({ hex, valueStart, end }) => {
  expect(readTlv(Buffer.from(hex, 'hex'), 0)).toMatchObject({ start: 0, valueStart, end });
});

test.each([
  { name: 'no bytes', hex: '' },
  { name: 'only a tag', hex: '30' },
  { name: 'a length beyond the end', hex: '30040201' },
  { name: 'a length whose own bytes are cut off', hex: '3082' },
  { name: 'an indefinite length', hex: '30800000' },
  { name: 'a length of five bytes', hex: '30850000000001ff' },
  { name: 'a tag number above 30', hex: '1f0100' },
])('$name is no element', ({ hex }) => {
  expect(readTlv(Buffer.from(hex, 'hex'), 0)).toBeUndefined();
});

test('the walk over any bytes ends and stays inside', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const parent: Tlv = { tag: 0x30, start: 0, valueStart: 0, end: bytes.length };
      for (const child of childrenOf(bytes, parent)) expect(child?.end ?? 0).toBeLessThanOrEqual(bytes.length);
    }),
    { seed: 1, numRuns: 500 },
  );
});

describe('times are read', () => {
  test.each([
    { name: 'two digits of this century', tag: 0x17, text: '491231235959Z', iso: '2049-12-31T23:59:59.000Z' },
    { name: 'two digits of the last century', tag: 0x17, text: '500101000000Z', iso: '1950-01-01T00:00:00.000Z' },
    { name: 'four digits', tag: 0x18, text: '20500101000000Z', iso: '2050-01-01T00:00:00.000Z' },
  ])('$name', ({ tag, text, iso }) => {
    expect(time(tag, text)).toBe(Date.parse(iso));
  });

  test.each([
    { name: 'four digits in a UTCTime', tag: 0x17, text: '20500101000000Z' },
    { name: 'two digits in a GeneralizedTime', tag: 0x18, text: '500101000000Z' },
    { name: 'a time zone', tag: 0x17, text: '500101000000+0100' },
    { name: 'another tag', tag: 0x0c, text: '500101000000Z' },
    { name: 'a word', tag: 0x17, text: 'tomorrow' },
  ])('$name is no time', ({ tag, text }) => {
    expect(time(tag, text)).toBeUndefined();
  });
});
