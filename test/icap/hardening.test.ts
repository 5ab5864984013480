import { describe, expect, test } from 'vitest';
import { DEFAULT_ICAP_LIMITS, type IcapLimits } from '../../src/icap/limits.ts';
import { createRequestReader } from '../../src/icap/request-reader.ts';
import { createResponseReader } from '../../src/icap/response-reader.ts';
import { everyChunking } from '../_util/every-chunking.ts';
import { transcribe } from '../_util/icap-transcript.ts';
import { HTTP_POST, reqmod, vector } from '../_util/icap-vectors.ts';

const SMALL: IcapLimits = {
  headBytes: 300,
  lineBytes: 100,
  fieldCount: 5,
  uriBytes: 40,
  chunkExtensionBytes: 16,
  trailerBytes: 20,
  bodyBytes: 10,
};

function outcomeOf(bytes: Buffer | string, limits: IcapLimits = DEFAULT_ICAP_LIMITS): string {
  const buffer = Buffer.from(bytes as string, 'latin1');
  const outcomes = new Set<string>();
  for (const pieces of everyChunking(buffer)) {
    const { error, messages } = transcribe(createRequestReader(limits), pieces);
    outcomes.add(error === undefined ? `${messages.length} read` : `${error.code.slice(7)} at ${error.offset}`);
  }
  return [...outcomes].join(' | ');
}

function options(line: string, ...fields: readonly string[]): string {
  return [line, ...fields, '', ''].join('\r\n');
}

const OPTIONS = 'OPTIONS icap://h/ ICAP/1.0';

describe('lines and fields of a client', () => {
  test.each([
    { name: 'a plain head', head: options(OPTIONS, 'Host: h'), outcome: '1 read' },
    { name: 'a head without Host', head: options(OPTIONS), outcome: '1 read' },
    { name: 'a high byte in a value', head: options(OPTIONS, 'X-A: \xe9\xa0'), outcome: '1 read' },
    { name: 'an empty value', head: options(OPTIONS, 'X-A:'), outcome: '1 read' },
    { name: 'a bare line feed', head: `${OPTIONS}\nHost: h\r\n\r\n`, outcome: 'ICAP_BAD_HEADER at 26' },
    { name: 'a head that ends in bare line feeds', head: `${OPTIONS}\r\n\n`, outcome: 'ICAP_BAD_HEADER at 28' },
    { name: 'a bare carriage return', head: options(OPTIONS, 'X-A: a\rb'), outcome: 'ICAP_BAD_HEADER at 34' },
    { name: 'a NUL', head: options(OPTIONS, 'X-A: a\0b'), outcome: 'ICAP_BAD_HEADER at 34' },
    { name: 'a DEL', head: options(OPTIONS, 'X-A: a\x7fb'), outcome: 'ICAP_BAD_HEADER at 34' },
    { name: 'a control character', head: options(OPTIONS, 'X-A: a\x1bb'), outcome: 'ICAP_BAD_HEADER at 34' },
    {
      name: 'a DEL in the start line',
      head: options('OPTIONS icap://h/\x7f ICAP/1.0'),
      outcome: 'ICAP_BAD_START_LINE at 8',
    },
    { name: 'a folded field', head: options(OPTIONS, 'X-A: a', ' b'), outcome: 'ICAP_BAD_HEADER at 36' },
    { name: 'a folded first line', head: options(OPTIONS, ' b'), outcome: 'ICAP_BAD_HEADER at 28' },
    { name: 'a blank before the colon', head: options(OPTIONS, 'X-A : a'), outcome: 'ICAP_BAD_HEADER at 28' },
    { name: 'an empty name', head: options(OPTIONS, ': a'), outcome: 'ICAP_BAD_HEADER at 28' },
    { name: 'a name that is no token', head: options(OPTIONS, 'X(A): a'), outcome: 'ICAP_BAD_HEADER at 28' },
    { name: 'a line without a colon', head: options(OPTIONS, 'X-A'), outcome: 'ICAP_BAD_HEADER at 28' },
    { name: 'a second Host', head: options(OPTIONS, 'Host: h', 'Host: h'), outcome: 'ICAP_BAD_HEADER at 37' },
    { name: 'a repeated X- field', head: options(OPTIONS, 'X-A: 1', 'X-A: 2'), outcome: '1 read' },
    { name: 'a repeated Allow', head: options(OPTIONS, 'Allow: 204', 'Allow: 206'), outcome: '1 read' },
    {
      name: 'Transfer-Encoding',
      head: options(OPTIONS, 'Transfer-Encoding: chunked'),
      outcome: 'ICAP_BAD_HEADER at 28',
    },
    { name: 'Content-Length', head: options(OPTIONS, 'Content-Length: 5'), outcome: '1 read' },
  ])('$name: $outcome', ({ head, outcome }) => {
    expect(outcomeOf(head)).toBe(outcome);
  });
});

describe('the request line', () => {
  test.each([
    { line: 'OPTIONS icap://h/ ICAP/1.0', outcome: '1 read' },
    { line: 'OPTIONS icaps://h:11344/x?y=1 ICAP/1.0', outcome: '1 read' },
    { line: 'OPTIONS icap://[::1]:1344/ ICAP/1.1', outcome: '1 read' },
    { line: 'BREW icap://h/ ICAP/1.0', outcome: '1 read' },
    { line: 'OPTIONS  icap://h/ ICAP/1.0', outcome: 'ICAP_BAD_START_LINE at 0' },
    { line: 'OPTIONS\ticap://h/\tICAP/1.0', outcome: 'ICAP_BAD_START_LINE at 0' },
    { line: 'OPTIONS icap://h/', outcome: 'ICAP_BAD_START_LINE at 0' },
    { line: 'OPTIONS', outcome: 'ICAP_BAD_START_LINE at 0' },
    { line: 'OPTIONS icap://h/ ', outcome: 'ICAP_BAD_START_LINE at 18' },
    { line: 'OPTIONS icap://h/ ICAP/1.0 ', outcome: 'ICAP_BAD_START_LINE at 0' },
    { line: 'OPTIONS icap://h/ x ICAP/1.0', outcome: 'ICAP_BAD_START_LINE at 0' },
    { line: 'reqmod icap://h/ ICAP/1.0', outcome: '1 read' },
    { line: 'OPT(IONS icap://h/ ICAP/1.0', outcome: 'ICAP_BAD_START_LINE at 0' },
    { line: 'OPTIONS icap://h/ ICAP/2.0', outcome: 'ICAP_BAD_VERSION at 18' },
    { line: 'OPTIONS icap://h/ ICAP/1.', outcome: 'ICAP_BAD_VERSION at 18' },
    { line: 'GET / HTTP/1.1', outcome: 'ICAP_BAD_START_LINE at 6' },
    { line: 'OPTIONS /x ICAP/1.0', outcome: 'ICAP_BAD_START_LINE at 8' },
    { line: 'OPTIONS * ICAP/1.0', outcome: 'ICAP_BAD_START_LINE at 8' },
    { line: 'OPTIONS http://h/ ICAP/1.0', outcome: 'ICAP_BAD_START_LINE at 8' },
    { line: 'OPTIONS icap:///x ICAP/1.0', outcome: 'ICAP_BAD_START_LINE at 8' },
    { line: 'OPTIONS icap://h:65535/ ICAP/1.0', outcome: '1 read' },
    { line: 'OPTIONS icap://h:65536/ ICAP/1.0', outcome: 'ICAP_BAD_START_LINE at 8' },
    { line: 'OPTIONS icap://h:0/ ICAP/1.0', outcome: 'ICAP_BAD_START_LINE at 8' },
  ])('$line: $outcome', ({ line, outcome }) => {
    expect(outcomeOf(options(line))).toBe(outcome);
  });
});

describe('lists that come in several fields', () => {
  const headOf = (...fields: readonly string[]) =>
    transcribe(createRequestReader(DEFAULT_ICAP_LIMITS), [Buffer.from(options(OPTIONS, ...fields))]).messages[0]?.head;

  test('Allow is what all of them say (c-icap-client sends two)', () => {
    expect(headOf('Allow: 204, 206', 'Allow: 206')).toMatchObject({ allow204: true, allow206: true });
    expect(headOf('allow: 206', 'ALLOW:204')).toMatchObject({ allow204: true, allow206: true });
    expect(headOf('Allow: 2040, x204')).toMatchObject({ allow204: false, allow206: false });
  });

  test('close is heard in any of them', () => {
    expect(headOf('Connection: keep-alive', 'connection: TE,\tClose ,x')?.close).toBe(true);
    expect(headOf('Connection: not-close, closed')?.close).toBe(false);
  });
});

describe('sizes, at the limit and one above', () => {
  const uri = (bytes: number) => `icap://h/${'a'.repeat(bytes - 9)}`;
  const line = (bytes: number) => `X: ${'a'.repeat(bytes - 3)}`;
  const filler = (bytes: number) => {
    const rest = bytes - options(OPTIONS, line(100), line(100), 'X: ').length;
    return options(OPTIONS, line(100), line(100), `X: ${'a'.repeat(rest)}`);
  };
  const fields = (count: number) => options(OPTIONS, ...Array.from({ length: count }, () => 'X: a'));
  const extension = (bytes: number) => reqmod([], HTTP_POST, `1;${'e'.repeat(bytes - 1)}\r\nx\r\n0\r\n\r\n`);
  const trailer = (bytes: number) => reqmod([], HTTP_POST, `0\r\nT: ${'a'.repeat(bytes - 7)}\r\n\r\n`);
  const body = (hex: string) => reqmod([], HTTP_POST, `${hex}\r\n${'x'.repeat(Number.parseInt(hex, 16))}\r\n0\r\n\r\n`);
  const start = (bytes: Buffer) => bytes.indexOf(HTTP_POST) + HTTP_POST.length;

  test.each([
    {
      what: 'the URI',
      at: options(`OPTIONS ${uri(40)} ICAP/1.0`),
      above: options(`OPTIONS ${uri(41)} ICAP/1.0`),
      offset: 8,
    },
    { what: 'a line', at: options(OPTIONS, line(100)), above: options(OPTIONS, line(101)), offset: 28 },
    { what: 'the head', at: filler(300), above: filler(301), offset: 300 },
    { what: 'the number of fields', at: fields(5), above: fields(6), offset: 58 },
  ])('$what', ({ at, above, offset }) => {
    expect(outcomeOf(at, SMALL)).toBe('1 read');
    expect(outcomeOf(above, SMALL)).toBe(`ICAP_HEAD_TOO_LARGE at ${offset}`);
  });

  test('a line that never ends is refused when it is too long, not when it ends', () => {
    const endless = `${OPTIONS}\r\nX: ${'a'.repeat(1_000)}`;
    expect(outcomeOf(endless, SMALL)).toBe('ICAP_HEAD_TOO_LARGE at 300');
    expect(outcomeOf(reqmod([], HTTP_POST, `1;${'e'.repeat(100)}`), SMALL)).toBe(
      `ICAP_BAD_CHUNK at ${start(reqmod([], HTTP_POST, 'x'))}`,
    );
  });

  test('what else is wrong behind the limit does not count', () => {
    expect(outcomeOf(`${OPTIONS}\r\nX: ${'a'.repeat(269)}\n\n`, SMALL)).toBe('ICAP_HEAD_TOO_LARGE at 300');
  });

  test('an encapsulated header block', () => {
    const http = (bytes: number) => `GET / HTTP/1.1\r\nX: ${'a'.repeat(bytes - 23)}\r\n\r\n`;
    expect(outcomeOf(reqmod([], http(300), ''), SMALL)).toBe('1 read');
    expect(outcomeOf(reqmod([], http(301), ''), SMALL)).toBe('ICAP_HEAD_TOO_LARGE at 42');
  });

  test('chunk extensions', () => {
    expect(outcomeOf(extension(16), SMALL)).toBe('1 read');
    expect(outcomeOf(extension(17), SMALL)).toBe(`ICAP_BAD_CHUNK at ${start(extension(17))}`);
    expect(outcomeOf(extension(100), SMALL)).toBe(`ICAP_BAD_CHUNK at ${start(extension(100))}`);
  });

  test('chunk trailers', () => {
    expect(outcomeOf(trailer(20), SMALL)).toBe('1 read');
    expect(outcomeOf(trailer(21), SMALL)).toBe(`ICAP_HEAD_TOO_LARGE at ${start(trailer(21)) + 3 + 20}`);
  });

  test('the body', () => {
    expect(outcomeOf(body('a'), SMALL)).toBe('1 read');
    expect(outcomeOf(body('b'), SMALL)).toBe(`ICAP_BODY_TOO_LARGE at ${start(body('b'))}`);
  });

  test('the body over several chunks', () => {
    const bytes = reqmod([], HTTP_POST, '6\r\nxxxxxx\r\n5\r\nxxxxx\r\n0\r\n\r\n');
    expect(outcomeOf(bytes, SMALL)).toBe(`ICAP_BODY_TOO_LARGE at ${start(bytes) + 11}`);
  });

  test('the body over preview and rest', () => {
    const bytes = reqmod(['Preview: 8'], HTTP_POST, '6\r\nxxxxxx\r\n0\r\n\r\n5\r\nxxxxx\r\n0\r\n\r\n');
    expect(outcomeOf(bytes, SMALL)).toBe(`ICAP_BODY_TOO_LARGE at ${start(bytes) + 16}`);
  });

  test('a preview is not allowed more than a body', () => {
    const preview = (hex: string) => {
      const data = 'x'.repeat(Number.parseInt(hex, 16));
      return reqmod(['Preview: 1024'], HTTP_POST, `${hex}\r\n${data}\r\n0; ieof\r\n\r\n`);
    };
    expect(outcomeOf(preview('a'), SMALL)).toBe('1 read');
    expect(outcomeOf(preview('b'), SMALL)).toBe(`ICAP_BODY_TOO_LARGE at ${start(preview('b'))}`);
  });

  test('the default limits are those that are documented', () => {
    expect(DEFAULT_ICAP_LIMITS).toMatchObject({
      headBytes: 65_536,
      lineBytes: 16_384,
      fieldCount: 256,
      uriBytes: 8_192,
    });
  });
});

describe('Encapsulated', () => {
  const HTTP = 'GET / HTTP/1.1\r\n\r\n';
  const message = (method: string, value: string, rest = HTTP) =>
    options(`${method} icap://h/ ICAP/1.0`, `Encapsulated: ${value}`) + rest;
  const refused = (method: string) => `ICAP_BAD_ENCAPSULATED at ${method.length + 21}`;

  test.each([
    ['REQMOD', 'req-hdr=0, null-body=18'],
    ['REQMOD', 'req-hdr=0,null-body=18'],
    ['REQMOD', 'req-hdr=0000000000, null-body=0000000018'],
    ['RESPMOD', 'res-hdr=0, null-body=18'],
    ['RESPMOD', 'req-hdr=0, null-body=18'],
    ['BREW', 'req-hdr=0, null-body=18'],
  ])('%s with %s is read', (method, value) => {
    expect(outcomeOf(message(method, value))).toBe('1 read');
  });

  test.each([
    ['REQMOD', ''],
    ['REQMOD', 'req-hdr=0'],
    ['REQMOD', 'req-hdr=1, null-body=19'],
    ['REQMOD', 'null-body=18'],
    ['REQMOD', 'null-body=0, req-hdr=0'],
    ['REQMOD', 'req-hdr=0, req-hdr=18, null-body=36'],
    ['REQMOD', 'req-hdr=0, req-body=18, null-body=18'],
    ['REQMOD', 'req-hdr=0, res-body=18'],
    ['REQMOD', 'res-hdr=0, res-body=18'],
    ['REQMOD', 'opt-body=0'],
    ['REQMOD', 'foo-hdr=0, null-body=18'],
    ['REQMOD', 'Req-Hdr=0, null-body=18'],
    ['REQMOD', 'req-hdr=0, null-body=+18'],
    ['REQMOD', 'req-hdr=0, null-body=-18'],
    ['REQMOD', 'req-hdr=0, null-body=0x12'],
    ['REQMOD', 'req-hdr=0, null-body= 18'],
    ['REQMOD', 'req-hdr = 0, null-body=18'],
    ['REQMOD', 'req-hdr=0; null-body=18'],
    ['REQMOD', 'req-hdr=0, null-body=00000000018'],
    ['REQMOD', 'req-hdr=0, null-body=0'],
    ['REQMOD', 'req-hdr=0, null-body=18,'],
    ['REQMOD', 'req-hdr=0, , null-body=18'],
    ['REQMOD', 'req-hdr=0, null-body='],
    ['REQMOD', 'req-hdr null-body=0'],
    ['REQMOD', 'null-body='],
    ['REQMOD', 'null-body'],
    ['REQMOD', '=0, null-body=18'],
    // The bits of the first part twice are those of the second.
    ['RESPMOD', 'req-hdr=0, req-hdr=9, null-body=18'],
    ['RESPMOD', 'req-hdr=0, res-hdr=18, null-body=18'],
    ['RESPMOD', 'req-hdr=0, res-hdr=18, null-body=9'],
    ['RESPMOD', 'res-hdr=0, req-hdr=18, null-body=36'],
    ['RESPMOD', 'res-hdr=0, req-body=18'],
    ['OPTIONS', 'req-hdr=0, null-body=18'],
  ])('%s with %j is refused', (method, value) => {
    expect(outcomeOf(message(method, value))).toBe(refused(method));
  });

  test('a missing field is refused where a message must follow', () => {
    expect(outcomeOf(options('REQMOD icap://h/ ICAP/1.0'))).toBe('ICAP_BAD_ENCAPSULATED at 0');
    expect(outcomeOf(options('RESPMOD icap://h/ ICAP/1.0'))).toBe('ICAP_BAD_ENCAPSULATED at 0');
  });

  test('a second field is refused even when it says the same', () => {
    const field = 'Encapsulated: req-hdr=0, null-body=18';
    expect(outcomeOf(options('REQMOD icap://h/ ICAP/1.0', field, field))).toBe('ICAP_BAD_HEADER at 66');
  });

  test.each([
    { name: 'ends without a blank line', http: 'GET / HTTP/1.1\r\nX: y' },
    { name: 'ends one byte early', http: 'GET / HTTP/1.1\r\n\r' },
    { name: 'ends in bare line feeds', http: 'GET / HTTP/1.1\n\n' },
    { name: 'holds a blank line earlier', http: 'GET / HTTP/1.1\r\n\r\nX: y\r\n\r\n' },
    { name: 'is too short for a blank line', http: 'GET' },
    { name: 'begins with a blank line', http: '\r\nGET / HTTP/1.1\r\n\r\n' },
    { name: 'begins with a bare line feed', http: '\nGET / HTTP/1.1\r\n\r\n' },
    { name: 'is nothing but blank lines', http: '\r\n\r\n' },
  ])('a header block that $name is refused', ({ http }) => {
    const bytes = message('REQMOD', `req-hdr=0, null-body=${http.length}`, http);
    expect(outcomeOf(bytes)).toBe(`ICAP_BAD_ENCAPSULATED at ${bytes.lastIndexOf(http)}`);
  });

  test('bytes after null-body are the next request', () => {
    const bytes = message('REQMOD', 'req-hdr=0, null-body=18', `${HTTP}0\r\n\r\n`);
    expect(outcomeOf(bytes)).toBe('ICAP_BAD_START_LINE at 0');
    expect(transcribe(createRequestReader(DEFAULT_ICAP_LIMITS), [Buffer.from(bytes)]).messages).toHaveLength(1);
  });
});

describe('chunks', () => {
  const chunked = (body: string) => outcomeOf(reqmod([], HTTP_POST, body));
  const start = reqmod([], HTTP_POST, 'x').length - 1;

  test.each([
    '5\r\nhello\r\n0\r\n\r\n',
    '05\r\nhello\r\n0\r\n\r\n',
    '0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n',
    'A\r\nhellohello\r\n0\r\n\r\n',
    ' 5 \r\nhello\r\n0 \r\n\r\n',
    '5;a;b=c;d="e;f\\""\r\nhello\r\n0 ; g = h\r\n\r\n',
    '0\r\nTrailer: x\r\n\r\n',
  ])('%j is read', (body) => {
    expect(chunked(body)).toBe('1 read');
  });

  test.each([
    ['\r\nhello\r\n0\r\n\r\n', 0],
    ['-5\r\nhello\r\n0\r\n\r\n', 0],
    ['+5\r\nhello\r\n0\r\n\r\n', 0],
    ['0x5\r\nhello\r\n0\r\n\r\n', 0],
    ['5g\r\nhello\r\n0\r\n\r\n', 0],
    ['5 5\r\nhello\r\n0\r\n\r\n', 0],
    ['00000000000000005\r\nhello\r\n0\r\n\r\n', 0],
    ['20000000000000\r\nhello\r\n0\r\n\r\n', 0],
    ['ffffffffffffffff\r\nhello\r\n0\r\n\r\n', 0],
    ['5\nhello\r\n0\r\n\r\n', 0],
    ['5;\r\nhello\r\n0\r\n\r\n', 0],
    ['5;a="\r\nhello\r\n0\r\n\r\n', 0],
    ['5;a="\0"\r\nhello\r\n0\r\n\r\n', 0],
    ['5;a\0\r\nhello\r\n0\r\n\r\n', 0],
    ['5; ieof\r\nhello\r\n0\r\n\r\n', 0],
    ['5\r\nhello!\r\n0\r\n\r\n', 8],
    ['5\r\nhello\n0\r\n\r\n', 8],
    ['5\r\nhello\r\r\n0\r\n\r\n', 9],
    ['5\r\nhello0\r\n\r\n', 8],
    ['5\r\nhello\r\n0; ieof\r\n\r\n', 10],
  ])('%j is refused at its byte %i', (body, offset) => {
    expect(chunked(body)).toBe(`ICAP_BAD_CHUNK at ${start + offset}`);
  });

  test('nine hex digits are not cut to 32 bits', () => {
    const bytes = reqmod([], HTTP_POST, '100000005\r\nhello\r\n0\r\n\r\n');
    const { messages, error } = transcribe(createRequestReader(DEFAULT_ICAP_LIMITS), [bytes]);
    expect(error).toBeUndefined();
    expect(messages[0]).toMatchObject({ body: 'hello\r\n0\r\n\r\n', endings: [] });
  });

  test('the largest size a number can hold is a size', () => {
    expect(chunked('1fffffffffffff\r\nhello')).toBe('1 read');
    expect(chunked('20000000000000\r\nhello')).toBe(`ICAP_BAD_CHUNK at ${start}`);
  });
});

describe('Preview', () => {
  const previewed = (preview: string, body: string) => outcomeOf(reqmod([`Preview: ${preview}`], HTTP_POST, body));
  const start = reqmod(['Preview: 5'], HTTP_POST, 'x').length - 1;

  test('as many bytes as announced are read, one more is refused', () => {
    expect(previewed('5', '5\r\nhello\r\n0; ieof\r\n\r\n')).toBe('1 read');
    expect(previewed('5', '6\r\nhello!\r\n0\r\n\r\n')).toBe(`ICAP_BAD_PREVIEW at ${start}`);
    expect(previewed('5', '5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n')).toBe(`ICAP_BAD_PREVIEW at ${start + 10}`);
  });

  test('fewer bytes than announced are read', () => {
    expect(previewed('1024', '5\r\nhello\r\n0;ieof\r\n\r\n')).toBe('1 read');
  });

  test('a second ieof after the continuation is refused', () => {
    expect(previewed('5', '5\r\nhello\r\n0\r\n\r\n0; ieof\r\n\r\n')).toBe(`ICAP_BAD_CHUNK at ${start + 15}`);
  });

  test.each(['', 'x', '-1', '1.5', '0x5', '12345678901'])('%j is refused', (value) => {
    expect(previewed(value, '0\r\n\r\n')).toBe('ICAP_BAD_PREVIEW at 42');
  });

  test('a second field is refused', () => {
    expect(outcomeOf(reqmod(['Preview: 5', 'Preview: 5'], HTTP_POST, ''))).toBe('ICAP_BAD_HEADER at 54');
  });
});

describe('backends are read leniently, but not blindly', () => {
  const read = (method: string, text: string) => {
    const outcomes = new Set<string>();
    for (const pieces of everyChunking(Buffer.from(text, 'latin1'))) {
      const { messages, error } = transcribe(
        createResponseReader(DEFAULT_ICAP_LIMITS, () => method),
        pieces,
      );
      outcomes.add(error === undefined ? messages.map(({ body }) => body).join(',') : error.code);
    }
    return [...outcomes].join(' | ');
  };

  test.each([
    {
      name: 'bare line feeds',
      text: 'ICAP/1.0 200 OK\nEncapsulated: res-hdr=0, res-body=17\n\nHTTP/1.1 200 OK\n\n2\nok\n0\n\n',
    },
    { name: 'an unknown 2xx', text: 'ICAP/1.0 201 Created\r\nEncapsulated: res-body=0\r\n\r\n2\r\nok\r\n0\r\n\r\n' },
    { name: 'no reason phrase', text: 'ICAP/1.0 200\r\nEncapsulated: res-body=0\r\n\r\n2\r\nok\r\n0\r\n\r\n' },
    {
      name: 'Transfer-Encoding',
      text: 'ICAP/1.0 200 x\r\nTransfer-Encoding: chunked\r\nEncapsulated: res-body=0\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    },
    {
      name: 'a body on an error',
      text: 'ICAP/1.0 539 License\r\nEncapsulated: res-body=0\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    },
  ])('$name are read', ({ text }) => {
    expect(read('RESPMOD', text)).toBe('ok');
  });

  test.each([
    { name: 'a NUL', text: 'ICAP/1.0 204 x\r\nX: \0\r\n\r\n', code: 'ICAPGW_ICAP_BAD_HEADER' },
    { name: 'a NUL in the reason phrase', text: 'ICAP/1.0 204 \0\r\n\r\n', code: 'ICAPGW_ICAP_BAD_HEADER' },
    { name: 'a bare CR in the reason phrase', text: 'ICAP/1.0 204 a\rb\r\n\r\n', code: 'ICAPGW_ICAP_BAD_HEADER' },
    {
      name: 'two Encapsulated',
      text: 'ICAP/1.0 200 x\r\nEncapsulated: res-body=0\r\nEncapsulated: res-body=0\r\n\r\n',
      code: 'ICAPGW_ICAP_BAD_HEADER',
    },
    { name: 'a 200 without Encapsulated', text: 'ICAP/1.0 200 x\r\n\r\n', code: 'ICAPGW_ICAP_BAD_ENCAPSULATED' },
    {
      name: 'parts of a request',
      text: 'ICAP/1.0 200 x\r\nEncapsulated: req-body=0\r\n\r\n',
      code: 'ICAPGW_ICAP_BAD_ENCAPSULATED',
    },
    {
      name: 'a header block of the request',
      text: 'ICAP/1.0 200 x\r\nEncapsulated: req-hdr=0, null-body=18\r\n\r\nGET / HTTP/1.1\r\n\r\n',
      code: 'ICAPGW_ICAP_BAD_ENCAPSULATED',
    },
    {
      name: 'a line without a colon',
      text: 'ICAP/1.0 204 x\r\nX: a\r\nfile.exe\r\n\r\n',
      code: 'ICAPGW_ICAP_BAD_HEADER',
    },
    { name: 'an HTTP answer', text: 'HTTP/1.1 400 Bad Request\r\n\r\n', code: 'ICAPGW_ICAP_BAD_START_LINE' },
    { name: 'another version', text: 'ICAP/2.0 200 OK\r\n\r\n', code: 'ICAPGW_ICAP_BAD_VERSION' },
    { name: 'a status of two digits', text: 'ICAP/1.0 20 OK\r\n\r\n', code: 'ICAPGW_ICAP_BAD_START_LINE' },
  ])('$name: $code', ({ text, code }) => {
    expect(read('RESPMOD', text)).toBe(code);
  });

  test.each([
    { name: '204 without Encapsulated', text: 'ICAP/1.0 204 Unmodified\r\nISTag: x\r\n\r\n' },
    { name: '204 with it', text: 'ICAP/1.0 204 OK\r\nEncapsulated: null-body=0\r\n\r\n' },
    { name: '100 of three words', text: 'ICAP/1.0 100 Continue\r\n\r\n' },
    { name: 'an error without it', text: 'ICAP/1.0 404 Service not found\r\nConnection: close\r\n\r\n' },
    { name: 'an error with it', text: 'ICAP/1.0 503 Overloaded\r\nEncapsulated: null-body=0\r\n\r\n' },
    { name: 'a status RFC 3507 does not have', text: 'ICAP/1.0 418 Bad composition\r\n\r\n' },
  ])('$name is a message without a body', ({ text }) => {
    expect(read('REQMOD', text)).toBe('');
    expect(read('RESPMOD', `${text}${text}`)).toBe(',');
  });

  test('a header block with an earlier blank line is refused: the client might end it there', () => {
    const block = (http: string) =>
      `ICAP/1.0 200 x\r\nEncapsulated: res-hdr=0, null-body=${http.length}\r\n\r\n${http}`;
    for (const http of [
      'HTTP/1.1 200 OK\r\n\r\nX: y\r\n\r\n',
      'HTTP/1.1 200 OK\n\nX: y\r\n\r\n',
      'HTTP/1.1 200 OK\r\n\r\nX: y\n\n',
      '\r\n',
      'x',
      'xy',
    ]) {
      expect(read('RESPMOD', block(http))).toBe('ICAPGW_ICAP_BAD_ENCAPSULATED');
    }
    for (const http of ['HTTP/1.1 200 OK\n\n', 'HTTP/1.1 200 OK\n\r\n', 'HTTP/1.1 200 OK\r\n\n']) {
      expect(read('RESPMOD', block(http))).toBe('');
    }
  });

  test('what an answer may hold depends on what was asked', () => {
    const both = 'req-hdr=0, res-hdr=18, null-body=37';
    const text = (list: string, rest: string) => `ICAP/1.0 200 x\r\nEncapsulated: ${list}\r\n\r\n${rest}`;
    const blocks = 'GET / HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n';
    for (const method of ['REQMOD', 'RESPMOD', 'OPTIONS']) {
      expect(read(method, text(both, blocks))).toBe('ICAPGW_ICAP_BAD_ENCAPSULATED');
    }
    expect(read('OPTIONS', text('opt-body=0', '2\r\nok\r\n0\r\n\r\n'))).toBe('ok');
    expect(read('OPTIONS', text('res-body=0', '2\r\nok\r\n0\r\n\r\n'))).toBe('ICAPGW_ICAP_BAD_ENCAPSULATED');
  });

  test.each(['', '=', '=x', '=-1', '="5"', '=12345678901234567', '=9007199254740992'])(
    'use-original-body%s is refused',
    (value) => {
      const text = `ICAP/1.0 206 x\r\nEncapsulated: res-body=0\r\n\r\n0; use-original-body${value}\r\n\r\n`;
      expect(read('RESPMOD', text)).toBe('ICAPGW_ICAP_BAD_CHUNK');
    },
  );

  test('a 200 that holds nothing is read', () => {
    const { messages } = transcribe(
      createResponseReader(DEFAULT_ICAP_LIMITS, () => 'REQMOD'),
      [vector('12-200-zero-encaps')],
    );
    expect(messages[0]?.sections).toEqual([{ part: 'req-hdr', text: '' }]);
  });
});
