import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IcapProtocolError } from '../../src/errors.ts';
import type { BodyPart, Section } from '../../src/icap/encapsulated.ts';
import type { MessageHead } from '../../src/icap/head.ts';
import { DEFAULT_ICAP_LIMITS, type IcapLimits } from '../../src/icap/limits.ts';
import type { MessageReader } from '../../src/icap/message-reader.ts';
import { STRICT } from '../../src/icap/profile.ts';
import { createRequestFields } from '../../src/icap/request-fields.ts';
import { parseRequestHead, type RequestHead } from '../../src/icap/request-head.ts';
import { createRequestReader } from '../../src/icap/request-reader.ts';
import { responseFields } from '../../src/icap/response-fields.ts';
import { parseResponseHead, type ResponseHead } from '../../src/icap/response-head.ts';
import { createResponseReader } from '../../src/icap/response-reader.ts';
import { requestLine, serializeLines, statusLine } from '../../src/icap/serialize.ts';
import { formatIcapUri } from '../../src/icap/uri.ts';
import { everyChunking } from '../_util/every-chunking.ts';

/** Inputs for each test. `npm run fuzz` asks for so many that they are millions in all. */
const RUNS = Number(process.env['ICAPGW_FUZZ_RUNS'] ?? 300);
/** A test that never lets go of the thread looks dead to its runner. */
const BATCH_RUNS = 10_000;
const SEED = 3507;

const FOLDER = new URL('../vectors/', import.meta.url);
const VECTORS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.bin'))
  .map((name) => readFileSync(new URL(name, FOLDER)));

const TIGHT: IcapLimits = {
  headBytes: 260,
  lineBytes: 70,
  fieldCount: 7,
  uriBytes: 40,
  chunkExtensionBytes: 10,
  trailerBytes: 30,
  bodyBytes: 60,
};

type Damage = 'flip' | 'delete' | 'duplicate' | 'splice';

interface Edit {
  readonly damage: Damage;
  readonly at: number;
  readonly bytes: number;
  readonly bit: number;
  readonly donor: Buffer;
  readonly from: number;
}

const place = fc.nat(4096);

const edit: fc.Arbitrary<Edit> = fc.record({
  damage: fc.constantFrom<Damage>('flip', 'delete', 'duplicate', 'splice'),
  at: place,
  bytes: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 4 }) }, fc.integer({ min: 1, max: 120 })),
  bit: fc.nat(7),
  donor: fc.constantFrom(...VECTORS),
  from: place,
});

/** One to three messages one after the other, with some of their bytes damaged. */
const damaged: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.array(fc.constantFrom(...VECTORS), { minLength: 1, maxLength: 3 }),
    fc.array(edit, { minLength: 1, maxLength: 4 }),
  )
  .map(([messages, edits]) => edits.reduce(apply, Buffer.concat(messages)));

function apply(bytes: Buffer, { damage, at, bytes: count, bit, donor, from }: Edit): Buffer {
  const start = at % (bytes.length + 1);
  const head = bytes.subarray(0, start);
  const piece = bytes.subarray(start, start + count);
  const tail = bytes.subarray(start + count);
  switch (damage) {
    case 'flip':
      return Buffer.concat([head, Buffer.from(piece).map((byte) => byte ^ (1 << bit)), tail]);
    case 'delete':
      return Buffer.concat([head, tail]);
    case 'duplicate':
      return Buffer.concat([head, piece, piece, tail]);
    case 'splice': {
      const begin = from % donor.length;
      return Buffer.concat([head, donor.subarray(begin, begin + count), tail]);
    }
  }
}

function cutAt(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

interface ReadMessage<Head> {
  readonly head: Head;
  readonly sections: readonly Section[];
}

/**
 * All that a reader tells of these bytes in one text, without where the data was cut; `messages` gets their heads. Throws
 * for an error of any other kind, and for a reader that does not come to an end.
 */
function tell<Head extends MessageHead>(
  reader: MessageReader<Head>,
  pieces: readonly Buffer[],
  messages: ReadMessage<Head>[] = [],
): string {
  let text = '';
  let head: Head | undefined;
  let eventsLeft = 16;
  try {
    for (const piece of pieces) {
      reader.push(piece);
      // Every event takes at least one byte, but for those at the end of a message.
      eventsLeft += piece.length * 4;
      for (let event = reader.read(); event !== undefined; event = reader.read()) {
        eventsLeft -= 1;
        if (eventsLeft < 0) throw new Error('the reader makes events out of nothing');
        switch (event.type) {
          case 'head':
            head = event.head;
            text += `\nhead ${JSON.stringify(head)}`;
            if (head.encapsulated.headers.length === 0) messages.push({ head, sections: [] });
            text += '\nbody ';
            break;
          case 'sections':
            text += `\nsections ${event.sections.map(({ part, bytes }) => part + bytes.toString('latin1')).join('|')}`;
            if (head !== undefined) messages.push({ head, sections: event.sections });
            text += '\nbody ';
            break;
          case 'data':
            text += event.data.toString('latin1');
            break;
          case 'end': {
            const { data, ...end } = { data: undefined, ...event };
            text += `\n${JSON.stringify(end)}\nbody `;
            if (event.ending === 'preview') reader.continueBody();
            else reader.next();
          }
        }
      }
    }
  } catch (error) {
    if (!(error instanceof IcapProtocolError)) throw error;
    if (reader.read() !== undefined) throw new Error('the reader goes on after an error');
    return `${text}\n${error.code} at ${error.offset}`;
  }
  return text;
}

async function inBatches(runs: number, check: (parameters: fc.Parameters<unknown>) => void): Promise<void> {
  for (let done = 0; done < runs; done += BATCH_RUNS) {
    check({ seed: SEED + done, numRuns: Math.min(BATCH_RUNS, runs - done) });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const TIMEOUT_MS = 20_000 + RUNS * 10;

describe.each([
  { name: 'requests', limits: DEFAULT_ICAP_LIMITS, create: createRequestReader },
  { name: 'requests under tight limits', limits: TIGHT, create: createRequestReader },
  { name: 'answers to REQMOD', limits: DEFAULT_ICAP_LIMITS, create: (limits: IcapLimits) => answers(limits, 'REQMOD') },
  { name: 'answers to RESPMOD, tight', limits: TIGHT, create: (limits: IcapLimits) => answers(limits, 'RESPMOD') },
])('damaged vectors read as $name', ({ limits, create }) => {
  const read = (pieces: readonly Buffer[]) => tell<MessageHead>(create(limits) as MessageReader<MessageHead>, pieces);

  test(
    'give the same events and the same error however they arrive',
    () =>
      inBatches(RUNS, (parameters) => {
        fc.assert(
          fc.property(damaged, fc.array(place, { maxLength: 6 }), (bytes, cuts) => {
            const whole = read([bytes]);
            expect(read(cutAt(bytes, cuts))).toBe(whole);
            expect(read(Array.from(bytes, (_, index) => bytes.subarray(index, index + 1)))).toBe(whole);
          }),
          parameters,
        );
      }),
    TIMEOUT_MS,
  );

  test(
    'give them for every single cut too',
    () =>
      inBatches(Math.ceil(RUNS / 100), (parameters) => {
        fc.assert(
          fc.property(damaged, (bytes) => {
            const whole = read([bytes]);
            for (const pieces of everyChunking(bytes)) expect(read(pieces)).toBe(whole);
          }),
          parameters,
        );
      }),
    TIMEOUT_MS,
  );
});

function answers(limits: IcapLimits, method: string): MessageReader<ResponseHead> {
  return createResponseReader(limits, () => method);
}

const requestFields = createRequestFields({ set: {}, strip: [], map: {}, clientIp: 'keep', own: [] });

describe('what was let in goes out so that the strictest peer reads the same', () => {
  test(
    'requests',
    () =>
      inBatches(RUNS, (parameters) => {
        fc.assert(
          fc.property(damaged, (bytes) => {
            const messages: ReadMessage<RequestHead>[] = [];
            tell(createRequestReader(DEFAULT_ICAP_LIMITS), [bytes], messages);
            messages.forEach(checkRequest);
          }),
          parameters,
        );
      }),
    TIMEOUT_MS,
  );

  test(
    'responses',
    () =>
      inBatches(RUNS, (parameters) => {
        fc.assert(
          fc.property(damaged, (bytes) => {
            const messages: ReadMessage<ResponseHead>[] = [];
            tell(answers(DEFAULT_ICAP_LIMITS, 'REQMOD'), [bytes], messages);
            messages.forEach(checkResponse);
          }),
          parameters,
        );
      }),
    TIMEOUT_MS,
  );
});

function checkRequest({ head, sections }: ReadMessage<RequestHead>): void {
  const { method, uri, preview, allow204, allow206, encapsulated } = head;
  const out = { authority: 'dlp:1344', preview, allow204, allow206, clientIp: undefined, lines: '' };
  const start = requestLine(method, formatIcapUri(uri));
  const sent = serializeLines(start, requestFields(head, out), { sections, body: encapsulated.body });
  const again = parseRequestHead(headOf(sent), 0, STRICT, DEFAULT_ICAP_LIMITS);
  expect(again).toMatchObject({ method, uri, preview, allow204, allow206, close: false, trailer: false });
  checkFraming(again, sent, sections, encapsulated.body);
}

function checkResponse({ head, sections }: ReadMessage<ResponseHead>): void {
  const { status, reason, encapsulated } = head;
  const filled = sections.filter(({ bytes }) => bytes.length > 0);
  const parts = { sections: filled, body: encapsulated.body };
  const lines = responseFields(head, { istag: undefined, close: false, own: undefined });
  const sent = serializeLines(statusLine(status, reason), lines, parts);
  const again = parseResponseHead(headOf(sent), 0, 'REQMOD', STRICT, DEFAULT_ICAP_LIMITS);
  expect(again).toMatchObject({ status, reason, close: false, trailer: false });
  checkFraming(again, sent, filled, encapsulated.body);
}

function checkFraming(again: MessageHead, sent: Buffer, sections: readonly Section[], body: BodyPart): void {
  expect(again.encapsulated).toEqual({
    headers: sections.map(({ part, bytes }) => ({ part, bytes: bytes.length })),
    body,
  });
  const blocks = Buffer.concat(sections.map(({ bytes }) => bytes));
  expect(sent.subarray(headOf(sent).length).equals(blocks)).toBe(true);
}

function headOf(message: Buffer): Buffer {
  return message.subarray(0, message.indexOf('\r\n\r\n') + 4);
}
