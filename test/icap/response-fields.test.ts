import { describe, expect, test } from 'vitest';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import { LENIENT } from '../../src/icap/profile.ts';
import { type OutgoingResponse, responseFields } from '../../src/icap/response-fields.ts';
import { parseResponseHead } from '../../src/icap/response-head.ts';

function linesFor(fields: readonly string[], out: Partial<OutgoingResponse> = {}): string {
  const lines = ['ICAP/1.0 204 x', ...fields, '', ''].join('\r\n');
  const head = parseResponseHead(Buffer.from(lines, 'latin1'), 0, 'REQMOD', LENIENT, DEFAULT_ICAP_LIMITS);
  return responseFields(head, { istag: undefined, close: false, own: undefined, ...out });
}

test('what a server says goes on in its order, spelling and bytes', () => {
  const fields = ['Server: x', 'X-Response-Info: Blocked', 'x-icap-e2g: \xff', 'X-A: 1', 'X-A: 2', 'Date: then'];
  expect(linesFor(fields)).toBe(fields.map((field) => `${field}\r\n`).join(''));
});

test.each([
  'Connection: close',
  'connection: Upgrade',
  'Keep-Alive: timeout=5',
  'Upgrade: TLS/1.0',
  'Transfer-Encoding: chunked',
  'Content-Length: 12',
  'Trailer: X-A',
  'Encapsulated: null-body=0',
  'Proxy-Connection: close',
])('%s concerns the connection to the backend', (field) => {
  expect(linesFor([field])).toBe('');
});

test('a connection that will close says so', () => {
  expect(linesFor(['Connection: keep-alive', 'X-A: 1'], { close: true })).toBe('X-A: 1\r\nConnection: close\r\n');
});

describe('ISTag', () => {
  test.each([
    { field: 'ISTag: "x-1"', line: 'ISTag: "x-1"\r\n' },
    { field: 'istag: CI0001-1-squidclamav-10', line: 'istag: "CI0001-1-squidclamav-10"\r\n' },
    { field: 'ISTag: "cut', line: 'ISTag: "cut"\r\n' },
    { field: 'ISTag:', line: 'ISTag: ""\r\n' },
  ])('$field is passed quoted', ({ field, line }) => {
    expect(linesFor([field])).toBe(line);
  });

  test("the pool's tag takes the place of the member's, and is there even where the member sent none", () => {
    expect(linesFor(['ISTag: a', 'X-A: 1'], { istag: '"gw-1"' })).toBe('ISTag: "gw-1"\r\nX-A: 1\r\n');
    expect(linesFor(['X-A: 1'], { istag: '"gw-1"' })).toBe('ISTag: "gw-1"\r\nX-A: 1\r\n');
  });
});

test.each([
  { field: 'Allow: 204, trailers', line: 'Allow: 204\r\n' },
  { field: 'Allow: Trailers', line: '' },
  { field: 'allow: 204,206', line: 'allow: 204,206\r\n' },
])('$field becomes $line', ({ field, line }) => {
  expect(linesFor([field])).toBe(line);
});

test('folded findings go out on one line, with tabs between them', () => {
  expect(linesFor(['X-Violations-Found: 1', '\t-', '\tEicar', '\t0', '\t0'])).toBe(
    'X-Violations-Found: 1\t-\tEicar\t0\t0\r\n',
  );
});

test("a field of the gateway's own takes the place of the server's", () => {
  const own = { key: 'x-id', line: 'X-Id: gw\r\n' };
  expect(linesFor(['X-ID: a', 'X-A: 1', 'x-id: b'], { own })).toBe('X-Id: gw\r\nX-A: 1\r\n');
});
