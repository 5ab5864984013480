import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CHUNK_END, chunkStart, LAST_CHUNK } from '../../src/icap/chunk-encoder.ts';
import { DEFAULT_ICAP_LIMITS, type IcapLimits } from '../../src/icap/limits.ts';
import { createRequestReader } from '../../src/icap/request-reader.ts';
import { createResponseReader } from '../../src/icap/response-reader.ts';
import { serializeRequest } from '../../src/icap/serialize.ts';
import { transcribe } from '../_util/icap-transcript.ts';
import { vector } from '../_util/icap-vectors.ts';

const BUDGET: fc.Parameters<unknown> = { seed: 3507, numRuns: 400 };

const TIGHT: IcapLimits = {
  headBytes: 200,
  lineBytes: 60,
  fieldCount: 6,
  uriBytes: 40,
  chunkExtensionBytes: 8,
  trailerBytes: 16,
  bodyBytes: 40,
};

const SEEDS = [
  '03-reqmod-post-req',
  '04-respmod-req',
  '05-preview100-a-client',
  '07-ieof-client',
  '09-respmod-nullbody-req',
  '13-trailers-resp',
  '14-violations-folded-resp',
].map(vector);

/** Bytes that are nearly right: a real message with some of them replaced, removed or doubled. */
const damaged = fc
  .tuple(
    fc.constantFrom(...SEEDS),
    fc.array(
      fc.tuple(
        fc.nat(400),
        fc.constantFrom('', '\r', '\n', '\r\n', '\0', ';', ':', '=', '0', 'f', '-', ' ', '\t', ','),
        fc.nat(3),
      ),
      {
        maxLength: 4,
      },
    ),
  )
  .map(([seed, edits]) => {
    let text = seed.toString('latin1');
    for (const [at, replacement, removed] of edits) {
      const place = at % (text.length + 1);
      text = text.slice(0, place) + replacement + text.slice(place + removed);
    }
    return Buffer.from(text, 'latin1');
  });

const anything = fc.oneof(
  damaged,
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.array(fc.constantFrom(...SEEDS), { maxLength: 3 }).map((seeds) => Buffer.concat(seeds)),
);

function cutAt(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place));
}

describe.each([
  { name: 'requests', limits: DEFAULT_ICAP_LIMITS, create: createRequestReader },
  { name: 'requests under tight limits', limits: TIGHT, create: createRequestReader },
  {
    name: 'responses',
    limits: DEFAULT_ICAP_LIMITS,
    create: (limits: IcapLimits) => createResponseReader(limits, () => 'RESPMOD'),
  },
  {
    name: 'responses under tight limits',
    limits: TIGHT,
    create: (limits: IcapLimits) => createResponseReader(limits, () => 'REQMOD'),
  },
])('$name', ({ limits, create }) => {
  test('any bytes in any chunking give the same events or the same error', () => {
    fc.assert(
      fc.property(anything, fc.array(fc.nat(1000), { maxLength: 20 }), (bytes, cuts) => {
        // A reader that throws anything but an IcapProtocolError makes `transcribe` throw.
        expect(transcribe<never>(create(limits) as never, cutAt(bytes, cuts))).toEqual(
          transcribe<never>(create(limits) as never, [bytes]),
        );
      }),
      BUDGET,
    );
  });
});

test('any body in any chunks comes out as it went in', () => {
  const piece = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.array(fc.nat(3000), { maxLength: 8 }), (pieces, cuts) => {
      const http = Buffer.from('POST / HTTP/1.1\r\n\r\n');
      const bytes = Buffer.concat([
        serializeRequest('REQMOD', 'icap://h/x', [{ name: 'Host', value: 'h' }], {
          sections: [{ part: 'req-hdr', bytes: http }],
          body: 'req-body',
        }),
        ...pieces.flatMap((data) => [chunkStart(data.length), data, CHUNK_END]),
        LAST_CHUNK,
      ]);
      const { messages, error } = transcribe(createRequestReader(DEFAULT_ICAP_LIMITS), cutAt(bytes, cuts));
      expect(error).toBeUndefined();
      expect(messages.map((message) => message.body)).toEqual([Buffer.concat(pieces).toString('latin1')]);
      expect(messages[0]?.endings).toEqual(['complete']);
    }),
    BUDGET,
  );
});

test('a head that arrives byte by byte costs linear work', () => {
  const head = Buffer.from(`OPTIONS icap://h/ ICAP/1.0\r\n${`X-A: ${'a'.repeat(8000)}\r\n`.repeat(8)}\r\n`);
  const reader = createRequestReader(DEFAULT_ICAP_LIMITS);
  let heads = 0;
  for (let at = 0; at < head.length; at += 1) {
    reader.push(head.subarray(at, at + 1));
    if (reader.read()?.type === 'head') heads += 1;
  }
  expect(heads).toBe(1);
});
