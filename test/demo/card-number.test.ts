import { describe, expect, test } from 'vitest';
import { CardNumberDetector } from '../../src/demo/card-number.ts';
import { everyChunking } from '../_util/every-chunking.ts';

function finds(text: string): boolean {
  const outcomes = new Set<boolean>();
  for (const pieces of everyChunking(Buffer.from(text, 'latin1'))) {
    const detector = new CardNumberDetector();
    const during = pieces.map((piece) => detector.push(piece)).includes(true);
    outcomes.add(detector.end() || during);
  }
  expect(outcomes.size).toBe(1);
  return outcomes.has(true);
}

describe('is found', () => {
  test.each([
    '4111111111111111',
    'card: 4111111111111111, thanks',
    '4111 1111 1111 1111',
    '4111-1111-1111-1111',
    'x4111111111111111y',
    '4111111111111111 2030',
    '123 4111 1111 1111 1111',
    '12 30 4111-1111-1111-1111',
    '4222222222222',
    '5555555555554444',
    '2221000000000009',
    '378282246310005',
    '3782 822463 10005',
    '6011111111111117',
    '30569309025904',
    '3530111333300000',
    '6240008631401148',
    '<td>5555 5555 5555 4444</td>',
  ])('%s', (text) => expect(finds(text)).toBe(true));
});

describe('is not found', () => {
  test.each([
    { text: '4111111111111112', why: 'the check digit is wrong' },
    { text: '41111111111111110', why: 'a digit follows' },
    { text: '14111111111111111', why: 'a digit precedes' },
    { text: '4111  1111 1111 1111', why: 'two blanks' },
    { text: '4111-1111 1111-1111', why: 'mixed separators' },
    { text: '4111.1111.1111.1111', why: 'another separator' },
    { text: '4111\n1111\n1111\n1111', why: 'line ends' },
    { text: '41 11 11 11 11 11 11 11', why: 'groups that are too short' },
    { text: '9111111111111111', why: 'no such issuer' },
    { text: '0000000000000000', why: 'no such issuer' },
    { text: '1712345678901', why: 'a time in milliseconds' },
    { text: '4111111111111111'.repeat(4), why: 'one long number' },
    { text: '', why: 'nothing there' },
  ])('$text: $why', ({ text }) => expect(finds(text)).toBe(false));
});
