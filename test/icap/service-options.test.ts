import { expect, test } from 'vitest';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import { createResponseReader } from '../../src/icap/response-reader.ts';
import { parseServiceOptions } from '../../src/icap/service-options.ts';
import { transcribe } from '../_util/icap-transcript.ts';
import { vector } from '../_util/icap-vectors.ts';

function read(bytes: Buffer) {
  const reader = createResponseReader(DEFAULT_ICAP_LIMITS, () => 'OPTIONS');
  return parseServiceOptions(transcribe(reader, [bytes]).messages[0]?.head.fields ?? []);
}

test('an answer to OPTIONS is read', () => {
  expect(read(vector('01-options-resp'))).toEqual({
    methods: ['REQMOD'],
    service: 'FOO DLP 1.0',
    serviceId: undefined,
    istag: '"W3E4R7U9-L2E4-2"',
    previewBytes: 1024,
    allow204: true,
    allow206: false,
    maxConnections: 100,
    ttlSeconds: 3600,
    transferPreview: ['*'],
    transferIgnore: [],
    transferComplete: [],
    include: [],
  });
});

test('what cannot be read counts as not said', () => {
  const text =
    'ICAP/1.0 200 OK\r\nMethods: RESPMOD, reqmod\r\nPreview: lots\r\nAllow: 204, trailers\r\nAllow: 206\r\n\r\n';
  expect(read(Buffer.from(text))).toEqual({
    methods: ['RESPMOD', 'REQMOD'],
    service: undefined,
    serviceId: undefined,
    istag: undefined,
    previewBytes: undefined,
    allow204: true,
    allow206: true,
    maxConnections: undefined,
    ttlSeconds: undefined,
    transferPreview: [],
    transferIgnore: [],
    transferComplete: [],
    include: [],
  });
});

test('lists of extensions and fields are read over several lines', () => {
  const text =
    'ICAP/1.0 200 OK\r\nService-ID: dlp-1\r\nTransfer-Ignore: JPG, gif,\r\nTransfer-Ignore: png\r\n' +
    'Transfer-Complete: exe\r\nTransfer-Preview: *\r\nX-Include: X-Client-IP, x-authenticated-user, not a name\r\n\r\n';
  expect(read(Buffer.from(text))).toMatchObject({
    serviceId: 'dlp-1',
    transferIgnore: ['jpg', 'gif', 'png'],
    transferComplete: ['exe'],
    transferPreview: ['*'],
    include: ['X-Client-IP', 'x-authenticated-user'],
  });
});
