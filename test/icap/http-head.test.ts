import { describe, expect, test } from 'vitest';
import { httpField, httpFields, httpRequestLine, httpStatus } from '../../src/icap/http-head.ts';

const block = (text: string) => Buffer.from(text, 'latin1');

describe('a field of an HTTP block', () => {
  const head = block(
    'POST /x HTTP/1.1\r\nHost: www\r\ncontent-type:  text/html; charset=utf-8 \r\nX-Long: a\r\n  b\r\n\tc\r\nX-Empty:\r\nHost: two\r\n\r\n',
  );

  test.each([
    ['Host', 'www'],
    ['Content-Type', 'text/html; charset=utf-8'],
    ['x-long', 'a b c'],
    ['X-Empty', ''],
    ['Hos', undefined],
    ['POST /x HTTP/1.1\r\nHost', undefined],
    ['Cookie', undefined],
  ])('%s: %s', (name, value) => {
    expect(httpField(head, name)).toBe(value);
  });

  test('is found in a block with bare line feeds and without an end', () => {
    expect(httpField(block('GET / HTTP/1.1\nHost: www\n\n'), 'host')).toBe('www');
    expect(httpField(block('GET / HTTP/1.1\r\nHost: www'), 'host')).toBe('www');
    expect(httpField(block(''), 'host')).toBeUndefined();
  });
});

test('all fields of a name are found, also with blanks before the colon', () => {
  const head = block(
    'GET / HTTP/1.1\r\nHost: www\r\nX-Host: no\r\nhost :two\r\nHost2: no\r\nHOST\t: a\r\n b\r\nHost no: no\r\n\r\n',
  );
  expect(httpFields(head, 'Host')).toEqual(['www', 'two', 'a b']);
  expect(httpFields(head, 'cookie')).toEqual([]);
});

test.each([
  ['GET http://www/a?b HTTP/1.1\r\nHost: www\r\n\r\n', { method: 'GET', target: 'http://www/a?b' }],
  ['CONNECT www:443 HTTP/1.0\r\n\r\n', { method: 'CONNECT', target: 'www:443' }],
  ['GET / HTTP/2\r\n\r\n', { method: 'GET', target: '/' }],
  ['GET /\r\n\r\n', { method: 'GET', target: '/' }],
  ['GET / HTTP/1.1\n\n', { method: 'GET', target: '/' }],
  ['HTTP/1.1 200 OK\r\n\r\n', undefined],
  ['nonsense\r\n\r\n', undefined],
  ['', undefined],
])('the request line of %j', (text, line) => {
  expect(httpRequestLine(block(text))).toEqual(line);
});

test.each([
  ['HTTP/1.1 403 Forbidden\r\n\r\n', 403],
  ['HTTP/1.0 200\r\n\r\n', 200],
  ['HTTP/2 204 \r\n\r\n', 204],
  ['HTTP/1.1 2000 x\r\n\r\n', undefined],
  ['GET / HTTP/1.1\r\n\r\n', undefined],
  ['', undefined],
])('the status of %j', (text, status) => {
  expect(httpStatus(block(text))).toBe(status);
});
