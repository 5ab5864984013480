import { describe, expect, test } from 'vitest';
import { isMonitor, MonitorReader, monitorAnswer } from '../../src/icap/monitor.ts';
import { everyChunking } from '../_util/every-chunking.ts';

/** After how many bytes the request was whole, and what it is. */
function read(pieces: readonly Buffer[]): string {
  const reader = new MonitorReader();
  let bytes = 0;
  for (const piece of pieces) {
    bytes += piece.length;
    const request = reader.push(piece);
    if (request !== undefined) return `${request.method} after ${bytes}`;
  }
  return 'unfinished';
}

describe('the beginning of a connection', () => {
  test.each([
    ['GET / HTTP/1.1', true],
    ['GET ', true],
    ['HEAD / HTTP/1.0\r\n\r\n', true],
    ['G', undefined],
    ['HEA', undefined],
    ['HEAD', undefined],
    ['GETS ', false],
    ['HEADER', false],
    ['get /', false],
    ['OPTIONS icap://h/ ICAP/1.0', false],
    ['REQMOD', false],
    ['\r\n', false],
    ['\x16\x03\x01', false],
  ])('%j: %s', (text, expected) => {
    expect(isMonitor(Buffer.from(text, 'latin1'))).toBe(expected);
  });
});

describe('a request of a monitor', () => {
  test.each([
    { name: "BIG-IP's built-in http", text: 'GET /\r\n', method: 'GET' },
    { name: 'the same without a carriage return', text: 'GET /\n', method: 'GET' },
    { name: "BIG-IP's AS3 default", text: 'HEAD / HTTP/1.0\r\n\r\n', method: 'HEAD' },
    { name: 'one with fields', text: 'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', method: 'GET' },
    { name: 'one with line feeds alone', text: 'GET / HTTP/1.1\nHost: x\n\n', method: 'GET' },
  ])('$name is whole at its last byte, in every chunking', ({ text, method }) => {
    for (const pieces of everyChunking(Buffer.from(text))) expect(read(pieces)).toBe(`${method} after ${text.length}`);
  });

  test('what comes after it does not matter', () => {
    expect(read([Buffer.from('GET /\r\n\r\n')])).toBe('GET after 9');
    expect(read([Buffer.from('HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n')])).toBe('HEAD after 37');
  });

  test('8 KiB are enough, and more are refused before they are kept', () => {
    const head = (bytes: number) => Buffer.from(`GET / HTTP/1.1\r\nX: ${'a'.repeat(bytes - 23)}\r\n\r\n`);
    expect(read([head(8192)])).toBe('GET after 8192');
    expect(() => read([head(8193)])).toThrow(expect.objectContaining({ code: 'ICAPGW_ICAP_HEAD_TOO_LARGE' }));
    const unfinished = Buffer.from(`GET / HTTP/1.1\r\nX: ${'a'.repeat(8173)}`);
    expect(() => read([unfinished])).toThrow(expect.objectContaining({ code: 'ICAPGW_ICAP_HEAD_TOO_LARGE' }));
    const bytewise = Array.from(head(10_000), (byte) => Buffer.of(byte));
    expect(() => read(bytewise)).toThrow(expect.objectContaining({ code: 'ICAPGW_ICAP_HEAD_TOO_LARGE' }));
  });
});

test('the answer to HEAD is that to GET without the page', () => {
  const [head, page] = monitorAnswer({ method: 'GET' }).toString().split('\r\n\r\n');
  expect(monitorAnswer({ method: 'HEAD' }).toString()).toBe(`${head}\r\n\r\n`);
  expect(head).toMatch(/^HTTP\/1\.0 200 OK\r\n/);
  expect(head).toContain(`Content-Length: ${page?.length}`);
  expect(head).toContain('Connection: close');
});
