import { describe, expect, test } from 'vitest';
import {
  CHUNK_END,
  chunkStart,
  LAST_CHUNK,
  LAST_CHUNK_IEOF,
  lastChunkUseOriginalBody,
} from '../../src/icap/chunk-encoder.ts';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import { createRequestReader } from '../../src/icap/request-reader.ts';
import { createResponseReader } from '../../src/icap/response-reader.ts';
import { serializeRequest, serializeResponse } from '../../src/icap/serialize.ts';
import { formatIcapUri } from '../../src/icap/uri.ts';
import { transcribe } from '../_util/icap-transcript.ts';
import { vector } from '../_util/icap-vectors.ts';

function chunked(body: string, last: Buffer): Buffer {
  const data = Buffer.from(body, 'latin1');
  return data.length === 0 ? last : Buffer.concat([chunkStart(data.length), data, CHUNK_END, last]);
}

function partsOf(message: ReturnType<typeof firstRequest> | ReturnType<typeof firstResponse>) {
  const { encapsulated, fields } = message.head;
  const sections = message.sections.map(({ text }, index) => ({
    part: encapsulated.headers[index]?.part ?? 'req-hdr',
    bytes: Buffer.from(text, 'latin1'),
  }));
  const isAnnounced = fields.some((field) => field.key === 'encapsulated');
  return {
    fields: fields.filter((field) => field.key !== 'encapsulated'),
    parts: isAnnounced ? { sections, body: encapsulated.body } : undefined,
  };
}

function firstRequest(file: string) {
  const [message] = transcribe(createRequestReader(DEFAULT_ICAP_LIMITS), [vector(file)]).messages;
  if (message === undefined) throw new Error(`${file} holds no request`);
  return message;
}

function firstResponse(file: string, method: string) {
  const reader = createResponseReader(DEFAULT_ICAP_LIMITS, () => method);
  const [message] = transcribe(reader, [vector(file)]).messages;
  if (message === undefined) throw new Error(`${file} holds no response`);
  return message;
}

describe('what was read is written as it came', () => {
  test.each([
    { file: '01-options-req', last: undefined },
    { file: '02-reqmod-get-req', last: undefined },
    { file: '03-reqmod-post-req', last: LAST_CHUNK },
    { file: '04-respmod-req', last: LAST_CHUNK },
    { file: '05-preview100-a-client', last: LAST_CHUNK },
    { file: '07-ieof-client', last: LAST_CHUNK_IEOF },
    { file: '08-preview0-client', last: LAST_CHUNK },
    { file: '08-preview0-nullbody-client', last: undefined },
    { file: '09-respmod-nullbody-req', last: undefined },
  ])('$file', ({ file, last }) => {
    const message = firstRequest(file);
    const { fields, parts } = partsOf(message);
    const head = serializeRequest(message.head.method, formatIcapUri(message.head.uri), fields, parts);
    const body = last === undefined ? Buffer.alloc(0) : chunked(message.body, last);
    expect(Buffer.concat([head, body]).toString('latin1')).toBe(vector(file).toString('latin1'));
  });

  test.each([
    { file: '01-options-resp', method: 'OPTIONS', last: undefined },
    { file: '02-reqmod-get-resp-204', method: 'REQMOD', last: undefined },
    { file: '03-reqmod-post-resp-200-blocked', method: 'REQMOD', last: LAST_CHUNK },
    { file: '11-206-partial', method: 'RESPMOD', last: lastChunkUseOriginalBody(0) },
    { file: '10-err-503', method: 'REQMOD', last: undefined },
  ])('$file', ({ file, method, last }) => {
    const message = firstResponse(file, method);
    const { fields, parts } = partsOf(message);
    const head = serializeResponse(message.head.status, message.head.reason, fields, parts);
    const body = last === undefined ? Buffer.alloc(0) : chunked(message.body, last);
    // The vectors tell Encapsulated last, as this serialiser does.
    expect(Buffer.concat([head, body]).toString('latin1')).toBe(vector(file).toString('latin1'));
  });
});

test.each([
  { name: 'X-A', value: 'a\r\nX-B: b' },
  { name: 'X-A', value: 'a\nb' },
  { name: 'X-A', value: 'a\0b' },
  { name: 'X A', value: 'a' },
  { name: '', value: 'a' },
])('a field that would break out of its line is a programming error: $name, $value', (field) => {
  expect(() => serializeResponse(200, 'OK', [field], undefined)).toThrow(TypeError);
});

test('values keep their bytes', () => {
  const head = serializeResponse(200, 'OK', [{ name: 'X-A', value: '\xc3\xa9\xa0' }], undefined);
  expect(head.includes(Buffer.from([0x20, 0xc3, 0xa9, 0xa0, 0x0d, 0x0a]))).toBe(true);
});
