import { describe, expect, test } from 'vitest';
import { BodyScanner } from '../../src/demo/body-scanner.ts';
import { EICAR } from '../../src/demo/eicar.ts';
import { everyChunking } from '../_util/every-chunking.ts';

function threatIn(pieces: readonly Buffer[]): string | undefined {
  const scanner = new BodyScanner();
  for (const piece of pieces) scanner.push(piece);
  scanner.end();
  return scanner.finding?.threat;
}

describe('the scanner', () => {
  test.each([
    { name: 'the EICAR string alone', text: EICAR, threat: 'EICAR-Test-File' },
    { name: 'the EICAR string in the middle', text: `before${EICAR}after`, threat: 'EICAR-Test-File' },
    { name: 'most of the EICAR string', text: EICAR.slice(1), threat: undefined },
    { name: 'a card number at the very end', text: 'pay with 4111111111111111', threat: 'Payment-Card-Number' },
    { name: 'nothing', text: 'a harmless text', threat: undefined },
  ])('$name gives $threat in every chunking', ({ text, threat }) => {
    for (const pieces of everyChunking(Buffer.from(text, 'latin1'))) expect(threatIn(pieces)).toBe(threat);
  });

  test('the test string is the one of 68 bytes', () => {
    expect(EICAR).toHaveLength(68);
    expect(EICAR).toMatch(/^X5O!P%@AP\[4\\PZX54\(P\^\)7CC\)7\}\$.*\$H\+H\*$/);
  });

  test('the first finding stands', () => {
    const scanner = new BodyScanner();
    scanner.push(Buffer.from('4111111111111111 '));
    scanner.push(Buffer.from(EICAR));
    expect(scanner.finding?.threat).toBe('Payment-Card-Number');
  });
});
