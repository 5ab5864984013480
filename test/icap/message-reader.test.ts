import { describe, expect, test } from 'vitest';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import { createRequestReader } from '../../src/icap/request-reader.ts';
import { createResponseReader } from '../../src/icap/response-reader.ts';
import { everyChunking } from '../_util/every-chunking.ts';
import { transcribe } from '../_util/icap-transcript.ts';
import { HTTP_POST, reqmod, vector } from '../_util/icap-vectors.ts';

const POSTED = 'I am posting this information.';

function readRequests(pieces: readonly Buffer[]) {
  return transcribe(createRequestReader(DEFAULT_ICAP_LIMITS), pieces);
}

function readResponses(method: string, pieces: readonly Buffer[]) {
  return transcribe(
    createResponseReader(DEFAULT_ICAP_LIMITS, () => method),
    pieces,
  );
}

describe('requests of the published vectors', () => {
  const cases = [
    { files: ['01-options-req'], method: 'OPTIONS', parts: [], body: '', endings: ['complete'] },
    { files: ['02-reqmod-get-req'], method: 'REQMOD', parts: ['req-hdr'], body: '', endings: ['complete'] },
    { files: ['03-reqmod-post-req'], method: 'REQMOD', parts: ['req-hdr'], body: POSTED, endings: ['complete'] },
    {
      files: ['04-respmod-req'],
      method: 'RESPMOD',
      parts: ['req-hdr', 'res-hdr'],
      body: 'This is data that was returned by an origin server.',
      endings: ['complete'],
    },
    {
      files: ['05-preview100-a-client', '05-preview100-c-client'],
      method: 'REQMOD',
      parts: ['req-hdr'],
      body: POSTED,
      endings: ['preview', 'complete'],
    },
    { files: ['07-ieof-client'], method: 'REQMOD', parts: ['req-hdr'], body: POSTED, endings: ['ieof'] },
    {
      files: ['08-preview0-client'],
      method: 'RESPMOD',
      parts: ['req-hdr', 'res-hdr'],
      body: '',
      endings: ['preview'],
    },
    { files: ['08-preview0-nullbody-client'], method: 'REQMOD', parts: ['req-hdr'], body: '', endings: ['complete'] },
    {
      files: ['09-respmod-nullbody-req'],
      method: 'RESPMOD',
      parts: ['req-hdr', 'res-hdr'],
      body: '',
      endings: ['complete'],
    },
  ];

  test.each(cases)('$files.0 reads the same in every chunking', ({ files, method, parts, body, endings }) => {
    const bytes = Buffer.concat(files.map(vector));
    const whole = readRequests([bytes]);
    expect(whole.error).toBeUndefined();
    expect(whole.messages).toMatchObject([{ head: { method }, body, endings }]);
    expect(whole.messages[0]?.sections.map((section) => section.part)).toEqual(parts);
    for (const pieces of everyChunking(bytes)) expect(readRequests(pieces)).toEqual(whole);
  });
});

describe('responses of the published vectors', () => {
  const cases = [
    { file: '01-options-resp', method: 'OPTIONS', status: 200, body: '' },
    { file: '02-reqmod-get-resp-200-modified', method: 'REQMOD', status: 200, body: '' },
    { file: '02-reqmod-get-resp-204', method: 'REQMOD', status: 204, body: '' },
    { file: '03-reqmod-post-resp-200-blocked', method: 'REQMOD', status: 200, body: 'Blocked by DLP.\n' },
    { file: '03-reqmod-post-resp-200-echo', method: 'REQMOD', status: 200, body: POSTED },
    {
      file: '04-respmod-resp-200',
      method: 'RESPMOD',
      status: 200,
      body: 'This is data that was returned by an origin server. +1',
    },
    { file: '05-preview100-b-server', method: 'REQMOD', status: 100, body: '' },
    { file: '05-preview100-d-server', method: 'REQMOD', status: 200, body: POSTED },
    { file: '06-preview204-b-server', method: 'REQMOD', status: 204, body: '' },
    { file: '10-err-404', method: 'REQMOD', status: 404, body: '' },
    { file: '10-err-503', method: 'RESPMOD', status: 503, body: '' },
    { file: '11-206-partial', method: 'RESPMOD', status: 206, body: '<!--x-->\n' },
    { file: '12-200-zero-encaps', method: 'REQMOD', status: 200, body: '' },
    { file: '13-trailers-resp', method: 'REQMOD', status: 200, body: 'Blocked by DLP.\n' },
    { file: '14-violations-folded-resp', method: 'RESPMOD', status: 200, body: 'Blocked by DLP.\n' },
  ];

  test.each(cases)('$file reads the same in every chunking', ({ file, method, status, body }) => {
    const whole = readResponses(method, [vector(file)]);
    expect(whole.error).toBeUndefined();
    expect(whole.messages).toMatchObject([{ head: { status }, body, endings: ['complete'] }]);
    for (const pieces of everyChunking(vector(file))) expect(readResponses(method, pieces)).toEqual(whole);
  });

  test('a 206 tells where the original body goes on', () => {
    expect(readResponses('RESPMOD', [vector('11-206-partial')]).messages[0]?.useOriginalBody).toBe(0);
  });

  test('an announced trailer is read after the whole body', () => {
    expect(readResponses('REQMOD', [vector('13-trailers-resp')]).messages[0]?.trailers).toEqual([
      { name: 'X-Scan-Result', value: 'blocked' },
    ]);
  });

  test('folded findings stay apart', () => {
    const { messages } = readResponses('RESPMOD', [vector('14-violations-folded-resp')]);
    const findings = messages[0]?.head.fields.find((field) => field.key === 'x-violations-found');
    expect(findings?.value).toBe('1\t-\tEicar\t0\t0');
  });

  test('any folded field is one', () => {
    const bytes = 'ICAP/1.0 204 x\r\nX-A: a\r\n b: c\r\n\td\r\nServer: s\r\n\r\n';
    const { messages } = readResponses('RESPMOD', [Buffer.from(bytes)]);
    expect(messages[0]?.head.fields.map(({ name, value }) => `${name}=${value}`)).toEqual([
      'X-A=a\tb: c\td',
      'Server=s',
    ]);
  });

  test('findings in lines without leading blanks stay apart too', () => {
    const bytes = 'ICAP/1.0 500 x\r\nX-Violations-Found: 1\r\nfile.exe\r\nEicar\r\n7\r\n2\r\nServer: s\r\n\r\n';
    const { messages } = readResponses('RESPMOD', [Buffer.from(bytes)]);
    expect(messages[0]?.head.fields.map(({ name, value }) => `${name}=${value}`)).toEqual([
      'X-Violations-Found=1\tfile.exe\tEicar\t7\t2',
      'Server=s',
    ]);
  });
});

describe('between messages', () => {
  test('two requests in one packet come out one after the other', () => {
    const bytes = Buffer.concat([vector('03-reqmod-post-req'), vector('02-reqmod-get-req')]);
    expect(readRequests([bytes]).messages.map((message) => message.body)).toEqual([POSTED, '']);
  });

  test('after the end of a message the reader stands still and keeps what comes next', () => {
    const reader = createRequestReader(DEFAULT_ICAP_LIMITS);
    reader.push(Buffer.concat([vector('02-reqmod-get-req'), vector('01-options-req')]));
    const seen = [reader.read()?.type, reader.read()?.type, reader.read()?.type];
    expect(seen).toEqual(['head', 'sections', 'end']);
    expect(reader.read()).toBeUndefined();
    expect(reader.unreadBytes).toBe(vector('01-options-req').length);
    reader.next();
    expect(reader.isBetweenMessages).toBe(true);
    expect(reader.read()).toMatchObject({ type: 'head', head: { method: 'OPTIONS' } });
  });

  test.each([0, 1, 2])('%i blank lines before a request are skipped', (count) => {
    const bytes = Buffer.concat([Buffer.from('\r\n'.repeat(count)), vector('01-options-req')]);
    for (const pieces of everyChunking(bytes)) expect(readRequests(pieces).messages).toHaveLength(1);
  });

  test('a third blank line is refused', () => {
    for (const pieces of everyChunking(Buffer.from('\r\n\r\n\r\nOPTIONS'))) {
      expect(readRequests(pieces).error).toEqual({ code: 'ICAPGW_ICAP_BAD_START_LINE', offset: 5 });
    }
  });

  test('a carriage return before a request is the beginning of a blank line, or nothing', () => {
    for (const pieces of everyChunking(Buffer.from('\rOPTIONS icap://h/ ICAP/1.0\r\n\r\n'))) {
      expect(readRequests(pieces).error).toEqual({ code: 'ICAPGW_ICAP_BAD_START_LINE', offset: 1 });
    }
  });

  test.each(['\r', '\r\n', 'O', 'OPTIONS icap://h/ ICAP/1.0\r\n\r\n'])('%j has begun one', (bytes) => {
    const reader = createRequestReader(DEFAULT_ICAP_LIMITS);
    expect(reader.isBetweenMessages).toBe(true);
    reader.push(Buffer.from(bytes));
    while (reader.read() !== undefined);
    expect(reader.isBetweenMessages).toBe(false);
  });

  test('what was not read yet can be kept while its buffer is used again', () => {
    const first = vector('01-options-req');
    const rest = vector('03-reqmod-post-req');
    const bytes = Buffer.concat([first, rest]);
    for (let cut = 1; cut < bytes.length; cut += 1) {
      const reader = createRequestReader(DEFAULT_ICAP_LIMITS);
      const buffers = [Buffer.from(bytes.subarray(0, cut)), Buffer.from(bytes.subarray(cut))];
      for (const buffer of buffers) reader.push(buffer);
      expect(reader.unreadBytes).toBe(bytes.length);
      expect([reader.read()?.type, reader.read()?.type]).toEqual(['head', 'end']);
      reader.next();
      reader.keepUnread();
      for (const buffer of buffers) buffer.fill(0);
      expect(transcribe(reader, [Buffer.alloc(0)])).toEqual(readRequests([rest]));
    }
  });

  test('error offsets count from the first byte of the message they are in', () => {
    const bytes = Buffer.concat([vector('01-options-req'), Buffer.from('GET / HTTP/1.1\r\n\r\n')]);
    expect(readRequests([bytes]).error).toEqual({ code: 'ICAPGW_ICAP_BAD_START_LINE', offset: 6 });
  });

  test('a TLS handshake is refused at its first byte', () => {
    expect(readRequests([Buffer.from([0x16])]).error).toEqual({ code: 'ICAPGW_ICAP_BAD_START_LINE', offset: 0 });
  });

  test('after an error there is nothing more to read', () => {
    const reader = createRequestReader(DEFAULT_ICAP_LIMITS);
    reader.push(Buffer.from('\0'));
    expect(() => reader.read()).toThrow(expect.objectContaining({ code: 'ICAPGW_ICAP_BAD_START_LINE' }));
    reader.push(vector('01-options-req'));
    expect(reader.read()).toBeUndefined();
  });
});

describe('bodies', () => {
  test('data events are views of what was pushed', () => {
    const bytes = Buffer.from(new Uint8Array(vector('03-reqmod-post-req')).buffer);
    const reader = createRequestReader(DEFAULT_ICAP_LIMITS);
    reader.push(bytes);
    const views: ArrayBufferLike[] = [];
    for (let event = reader.read(); event !== undefined; event = reader.read()) {
      if (event.type === 'data') views.push(event.data.buffer);
    }
    expect(views).toEqual([bytes.buffer]);
  });

  test('the end tells the size of the whole body, the preview included', () => {
    const reader = createRequestReader(DEFAULT_ICAP_LIMITS);
    reader.push(Buffer.concat([vector('05-preview100-a-client'), vector('05-preview100-c-client')]));
    const sizes: number[] = [];
    for (let event = reader.read(); event !== undefined; event = reader.read()) {
      if (event.type !== 'end') continue;
      sizes.push(event.bodyBytes);
      if (event.ending === 'preview') reader.continueBody();
    }
    expect(sizes).toEqual([10, 30]);
  });

  test('an ieof that is only quoted ends nothing early', () => {
    const { messages } = readRequests([reqmod(['Preview: 9'], HTTP_POST, '1\r\nx\r\n0; a="; ieof"\r\n\r\n')]);
    expect(messages[0]?.endings).toEqual(['preview']);
  });

  test('a trailer follows the body, not its preview', () => {
    const lines = ['Preview: 5', 'Allow: 204, trailers', 'Trailer: X-A'];
    const bytes = reqmod(lines, HTTP_POST, '5\r\nhello\r\n0\r\n\r\n2\r\n!!\r\n0\r\n\r\nX-A: 1\r\n\r\n');
    for (const pieces of everyChunking(bytes)) {
      const { messages, error } = readRequests(pieces);
      expect(error).toBeUndefined();
      expect(messages).toMatchObject([
        { body: 'hello!!', endings: ['preview', 'complete'], trailers: [{ name: 'X-A', value: '1' }] },
      ]);
    }
  });

  test.each([['Allow: 204, trailers'], ['Trailer: X-A'], ['Allow: 204, trailers', 'X-Trailer: X-A']])(
    'no trailer follows where only one side of it is announced: %s',
    (...lines) => {
      const bytes = Buffer.concat([reqmod(lines, HTTP_POST, ''), vector('01-options-req')]);
      expect(readRequests([bytes])).toMatchObject({
        error: undefined,
        messages: [{}, { head: { method: 'OPTIONS' } }],
      });
    },
  );

  test('the body of an OPTIONS request has no preview', () => {
    const lines = ['OPTIONS icap://h/ ICAP/1.0', 'Preview: 0', 'Encapsulated: opt-body=0', '', ''];
    const { messages } = readRequests([Buffer.from(`${lines.join('\r\n')}2\r\nok\r\n0\r\n\r\n`)]);
    expect(messages).toMatchObject([{ body: 'ok', endings: ['complete'] }]);
  });

  test('a head is the same in many small packets as in one', () => {
    const fields = Array.from({ length: 100 }, (_, index) => `X-${index}: ${index * 7919}`);
    const bytes = reqmod(fields, `GET / HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`, '');
    const pieces = Array.from({ length: Math.ceil(bytes.length / 100) }, (_, index) =>
      bytes.subarray(index * 100, (index + 1) * 100),
    );
    expect(readRequests(pieces)).toEqual(readRequests([bytes]));
  });

  test('a trailer announced by a client is read after its null-body', () => {
    const lines = ['Allow: 204, trailers', 'Trailer: X-A'];
    const bytes = Buffer.concat([
      reqmod(lines, HTTP_POST, ''),
      Buffer.from('X-A: 1\r\n\r\n'),
      vector('01-options-req'),
    ]);
    const { messages } = readRequests([bytes]);
    expect(messages.map((message) => message.trailers)).toEqual([[{ name: 'X-A', value: '1' }], []]);
  });
});
