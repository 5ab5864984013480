import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, type ExchangeScript, echo } from '../_util/icap-script-backend.ts';
import { AnswerCut, type ScriptClient } from '../_util/icap-script-client.ts';
import { answer, blocked, chunk, HTTP_POST, reqmod, rest } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

const BODY = 'the whole document';
const PREVIEW = 4;
const CONTINUE = 'ICAP/1.0 100 Continue\r\n\r\n';

type Scenario =
  | 'allowed'
  | 'not-allowed'
  | 'waiting'
  | 'second-100'
  | 'ieof-100'
  | 'cut'
  | 'kept-small'
  | 'forbidden-204';

let rig: Rig<Scenario>;

beforeAll(async () => {
  const two = { backends: [{}, {}] };
  rig = await startRig<Scenario>({
    allowed: two,
    'not-allowed': two,
    waiting: two,
    'second-100': two,
    'ieof-100': two,
    cut: two,
    'kept-small': { ...two, config: { retain: '1KiB', 'when-down': 'bypass' } },
    'forbidden-204': two,
  });
});

afterAll(() => rig[Symbol.asyncDispose]());

/** Takes the preview, asks for the rest, and breaks off once it has come. */
const diesAfterContinue: ExchangeScript = async (exchange) => {
  await exchange.body();
  exchange.reset();
};

/** Sends a request with a preview, takes the 100 and sends the rest. */
async function sendInTwo(client: ScriptClient, lines: readonly string[]): Promise<void> {
  expect((await client.ask(reqmod({ lines, preview: PREVIEW, body: BODY }))).status).toBe(100);
  await client.send(rest(BODY, PREVIEW));
}

function countOf(client: ScriptClient, text: string): number {
  return client.received.toString('latin1').split(text).length - 1;
}

describe('once the client was told to continue', () => {
  test('another backend gets everything at once, without Preview, and may answer 204 where the client allows it', async () => {
    rig.backend('allowed').script = diesAfterContinue;
    rig.backend('allowed', 1).script = answering(answer(204));
    await using client = await rig.connect('allowed');
    await sendInTwo(client, ['Allow: 204']);
    expect((await client.answer()).status).toBe(204);
    const [replay] = rig.backend('allowed', 1).exchanges;
    expect([replay?.head.preview, replay?.head.allow204]).toEqual([undefined, true]);
    expect([replay?.received.toString(), replay?.endings]).toEqual([BODY, ['complete']]);
    expect(countOf(client, ' 100 ')).toBe(1);
    expect(await rig.access('allowed', 1)).toMatchObject([{ attempt: 2, retryReason: 'closed', verdict: 'allowed' }]);
  });

  test('a 204 of that backend that the client did not allow becomes a 200 with all that came', async () => {
    rig.backend('not-allowed').script = diesAfterContinue;
    rig.backend('not-allowed', 1).script = answering(answer(204));
    await using client = await rig.connect('not-allowed');
    await sendInTwo(client, []);
    const same = await client.answer();
    expect([same.status, same.section('req-hdr'), same.body.toString()]).toEqual([200, HTTP_POST, BODY]);
    expect(rig.backend('not-allowed', 1).exchanges[0]?.head.allow204).toBe(false);
    expect(countOf(client, ' 100 ')).toBe(1);
    expect(await rig.access('not-allowed', 1)).toMatchObject([{ status: 200, verdict: 'allowed' }]);
  });

  test('another backend gets what is there when the first one dies before the rest has come', async () => {
    rig.backend('waiting').script = async (exchange) => {
      await exchange.arrived();
      exchange.continue();
      exchange.reset();
    };
    rig.backend('waiting', 1).script = echo;
    await using client = await rig.connect('waiting');
    expect((await client.ask(reqmod({ preview: PREVIEW, body: BODY }))).status).toBe(100);
    const replay = await rig.backend('waiting', 1).exchange(0);
    expect((await replay.bytes(PREVIEW)).toString()).toBe(BODY.slice(0, PREVIEW));
    await client.send(rest(BODY, PREVIEW));
    expect((await client.answer()).body.toString()).toBe(BODY);
    expect(replay.head.preview).toBeUndefined();
  });

  test('a second 100 never reaches the client', async () => {
    rig.backend('second-100').script = diesAfterContinue;
    rig.backend('second-100', 1).script = async (exchange) => {
      exchange.send(CONTINUE);
      await exchange.body();
      exchange.send(answer(204));
    };
    await using client = await rig.connect('second-100');
    await sendInTwo(client, ['Allow: 204']);
    expect((await client.answer()).status).not.toBe(100);
    expect(countOf(client, ' 100 ')).toBe(1);
  });
});

describe('never', () => {
  test('is a 100 passed on after ieof: the client has nothing more to send', async () => {
    rig.backend('ieof-100').script = async (exchange) => {
      await exchange.arrived();
      exchange.send(CONTINUE);
      exchange.send(answer(204));
    };
    await using client = await rig.connect('ieof-100');
    expect((await client.ask(reqmod({ preview: 64, body: BODY }))).status).toBe(204);
    expect(countOf(client, ' 100 ')).toBe(0);
  });

  test.each(['end', 'reset'] as const)('is an answer begun by one backend ended by another: %s', async (how) => {
    const [first, second] = [rig.backend('cut', 0), rig.backend('cut', 1)];
    const { length } = first.exchanges;
    const { promise: isSeen, resolve: seen } = Promise.withResolvers<void>();
    first.script = async (exchange) => {
      await exchange.body();
      exchange.send(blocked('the beginning').subarray(0, -5));
      await isSeen;
      exchange[how]();
    };
    await using client = await rig.connect('cut');
    await client.send(reqmod({ body: BODY }));
    expect((await client.beginAnswer()).status).toBe(200);
    seen();
    const failed: unknown = await client.answer().catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(AnswerCut);
    expect(await client.gone).toBeDefined();
    expect(client.received.toString('latin1')).not.toContain('\r\n0\r\n');
    expect(countOf(client, 'ICAP/1.0')).toBe(1);
    expect([first.exchanges.length, second.exchanges.length]).toEqual([length + 1, 0]);
    const line = (await rig.access('cut', length + 1)).at(-1);
    expect(line).toMatchObject({ verdict: 'aborted', attempt: 1, backend: 'backend-0' });
  });

  test('is a request sent again, or answered 204 or with a part of it, when it is no longer kept', async () => {
    const body = Buffer.alloc(64 * 1024, 'x');
    rig.backend('kept-small').script = diesAfterContinue;
    await using client = await rig.connect('kept-small');
    const failed = await client.ask(reqmod({ body }));
    expect(failed.status).toBeGreaterThanOrEqual(500);
    expect(failed.field('encapsulated')).toBe('null-body=0');
    expect(rig.backend('kept-small', 1).exchanges).toHaveLength(0);
    expect(await rig.access('kept-small', 1)).toMatchObject([{ verdict: 'error', attempt: 1 }]);
  });

  test('is a 204 passed on that the client did not allow', async () => {
    rig.backend('forbidden-204').script = answering(answer(204));
    await using client = await rig.connect('forbidden-204');
    const same = await client.ask(reqmod({ body: BODY }));
    expect([same.status, same.section('req-hdr'), same.body.toString()]).toEqual([200, HTTP_POST, BODY]);
    // Sent while the client still sends, it once ended a squid.
    rig.backend('forbidden-204').script = async (exchange) => {
      await exchange.bytes(3);
      exchange.send(answer(204));
    };
    const request = reqmod({ body: BODY });
    await client.send(request.subarray(0, -5 - chunk(BODY).length), chunk('abc'));
    const early = client.answer();
    await client.send(chunk('def'), '0\r\n\r\n');
    const { status, body } = await early;
    expect([status, body.toString()]).toEqual([200, 'abcdef']);
  });
});
