import { describe, expect, test } from 'vitest';
import { announcedBytes } from '../../../src/gateway/icap/announced-size.ts';
import type { HeaderPart, Section } from '../../../src/icap/encapsulated.ts';

function section(part: HeaderPart, length: string): Section {
  const start = part === 'req-hdr' ? 'POST / HTTP/1.1' : 'HTTP/1.1 200 OK';
  return { part, bytes: Buffer.from(`${start}\r\nContent-Length: ${length}\r\n\r\n`) };
}

describe('the size that a body announces', () => {
  test('is of the message that is to be looked at', () => {
    const sections = [section('req-hdr', '1'), section('res-hdr', '2')];
    expect(announcedBytes('REQMOD', sections)).toBe(1);
    expect(announcedBytes('RESPMOD', sections)).toBe(2);
  });

  test.each([
    ['0', 0],
    ['999999999999999', 999_999_999_999_999],
    ['1000000000000000', 0],
    ['-1', 0],
    ['1e3', 0],
    ['0x10', 0],
    ['10, 10', 0],
    ['10 bytes', 0],
    ['', 0],
  ])('Content-Length %j: %i', (length, bytes) => {
    expect(announcedBytes('RESPMOD', [section('res-hdr', length)])).toBe(bytes);
  });

  test('is 0 where nothing says it', () => {
    expect(announcedBytes('RESPMOD', [{ part: 'res-hdr', bytes: Buffer.from('HTTP/1.1 200 OK\r\n\r\n') }])).toBe(0);
    expect(announcedBytes('RESPMOD', [section('req-hdr', '1')])).toBe(0);
    expect(announcedBytes('REQMOD', [])).toBe(0);
  });
});
