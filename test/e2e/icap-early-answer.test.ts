import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, unmodified } from '../_util/icap-script-backend.ts';
import { answer, blocked, chunk, chunked, HTTP_FORBIDDEN, HTTP_POST, reqmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

const BIG = Buffer.alloc(300_000, 'document ');
/** The head of a request with a body, without any of it. */
const HEAD = reqmod({ lines: ['Allow: 204'], body: '' }).subarray(0, -5);

type Scenario = (typeof SCENARIOS)[number];

const SCENARIOS = [
  'block',
  'rest',
  'allow',
  'close',
  'deaf',
  'duplex',
  'surplus',
  'says-close',
  'silent-close',
  'abort',
  'partial',
] as const;

let rig: Rig<Scenario>;

beforeAll(async () => {
  rig = await startRig<Scenario>(Object.fromEntries(SCENARIOS.map((name) => [name, {}])) as Record<Scenario, object>);
});

afterAll(() => rig[Symbol.asyncDispose]());

describe('an answer that comes before the request is over', () => {
  test('reaches the client at once, and the backend’s connection is not used again', async () => {
    const backend = rig.backend('block');
    backend.script = async (exchange) => {
      await exchange.bytes(3);
      exchange.send(blocked('no'));
    };
    await using client = await rig.connect('block');
    await client.send(HEAD, chunk('abc'));
    const page = await client.answer();
    expect([page.status, page.section('res-hdr'), page.body.toString()]).toEqual([200, HTTP_FORBIDDEN, 'no']);
    await client.send(chunked(BIG));
    const [exchange] = backend.exchanges;
    backend.script = unmodified;
    if (page.head.close) expect(await client.gone).toBe('fin');
    else expect((await client.ask(reqmod({ preview: 0 }))).status).toBe(204);
    expect((await rig.ask('block', reqmod({ preview: 0 }))).status).toBe(204);
    expect(backend.exchanges.slice(1).every(({ connection }) => connection !== exchange?.connection)).toBe(true);
    expect((await rig.access('block', 1))[0]).toMatchObject({ verdict: 'blocked', status: 200, httpStatus: 403 });
  });

  test('leaves the backend time to read the rest: it may read its next request only after it', async () => {
    rig.backend('rest').script = async (exchange) => {
      await exchange.bytes(3);
      exchange.send(blocked('no'));
    };
    await using client = await rig.connect('rest');
    await client.send(HEAD, chunk('abc'));
    expect((await client.answer()).status).toBe(200);
    await client.send(chunked(BIG));
    const exchange = await rig.backend('rest').exchange(0);
    expect((await exchange.body()).length).toBe(BIG.length + 3);
  });

  test('may be a 204 where the client allows it, and the connection goes on after the rest', async () => {
    rig.backend('allow').script = async (exchange) => {
      await exchange.bytes(3);
      exchange.send(answer(204));
    };
    await using client = await rig.connect('allow');
    await client.send(HEAD, chunk('abc'));
    const { status, head } = await client.answer();
    expect(status).toBe(204);
    await client.send(chunked('the rest'));
    rig.backend('allow').script = unmodified;
    if (head.close) expect(await client.gone).toBe('fin');
    else expect((await client.ask(reqmod({ preview: 0 }))).status).toBe(204);
  });

  test('stands although the backend closes behind it', async () => {
    const backend = rig.backend('close');
    backend.script = async (exchange) => {
      await exchange.bytes(3);
      exchange.end(blocked('no', ['Connection: close']));
    };
    await using client = await rig.connect('close');
    await client.send(HEAD, chunk('abc'));
    const page = await client.answer();
    expect([page.status, page.body.toString()]).toEqual([200, 'no']);
    await client.send(chunked('the rest'));
    expect(await rig.access('close', 1)).toMatchObject([{ verdict: 'blocked', attempt: 1, retryReason: null }]);
  });

  test('stands although the backend reads nothing of the rest and resets', async () => {
    const { promise: isTaken, resolve: taken } = Promise.withResolvers<void>();
    rig.backend('deaf').script = async (exchange) => {
      await exchange.bytes(3);
      exchange.connection.socket.pause();
      exchange.send(blocked('no'));
      await isTaken;
      exchange.reset();
    };
    await using client = await rig.connect('deaf');
    await client.send(HEAD, chunk('abc'));
    const page = await client.answer();
    expect([page.status, page.body.toString()]).toEqual([200, 'no']);
    taken();
    await Promise.race([client.gone, client.send(...Array.from({ length: 20 }, () => chunk(BIG)), '0\r\n\r\n')]);
    expect(await rig.access('deaf', 1)).toMatchObject([{ verdict: 'blocked', status: 200, attempt: 1 }]);
    expect(client.received.toString('latin1').split('ICAP/1.0')).toHaveLength(2);
  });

  test('streams both ways at once without a deadlock', async () => {
    const backend = rig.backend('duplex');
    backend.script = async (exchange) => {
      exchange.send(answer(200, [], { 'req-hdr': HTTP_POST, body: '' }).subarray(0, -5));
      let sentBytes = 0;
      while (!exchange.isComplete) {
        const data = (await exchange.bytes(sentBytes + 1)).subarray(sentBytes);
        sentBytes += data.length;
        exchange.send(chunk(data));
        await exchange.until(() => exchange.isComplete || exchange.received.length > sentBytes);
      }
      exchange.send(chunked(exchange.received.subarray(sentBytes)));
    };
    await using client = await rig.connect('duplex');
    await client.send(HEAD, chunk('first'));
    const begun = await client.beginAnswer();
    expect([begun.status, begun.section('req-hdr')]).toEqual([200, HTTP_POST]);
    const sent = client.send(...Array.from({ length: 10 }, () => chunk(BIG)), '0\r\n\r\n');
    const { body } = await client.answer();
    await sent;
    expect(body.equals(Buffer.concat([Buffer.from('first'), ...Array.from({ length: 10 }, () => BIG)]))).toBe(true);
  });
});

describe('a backend connection is not used again', () => {
  test('when bytes follow the answer', async () => {
    const backend = rig.backend('surplus');
    backend.script = async (exchange) => {
      await exchange.body();
      exchange.send(Buffer.concat([answer(204), Buffer.from('0\r\n\r\n')]));
    };
    await using client = await rig.connect('surplus');
    for (let turn = 0; turn < 3; turn += 1)
      expect((await client.ask(reqmod({ preview: 64, body: 'x' }))).status).toBe(204);
    expect(backend.connections).toHaveLength(3);
    expect(client.received.toString('latin1')).not.toContain('\r\n0\r\n');
  });

  test('when its answer says close, whether it closes or not', async () => {
    const backend = rig.backend('says-close');
    backend.script = answering(answer(204, ['Connection: close']));
    await using client = await rig.connect('says-close');
    for (let turn = 0; turn < 3; turn += 1) {
      const { status, head } = await client.ask(reqmod({ preview: 64, body: 'x' }));
      // Hop by hop: the client's own connection stays.
      expect([status, head.close]).toEqual([204, false]);
    }
    expect(backend.connections).toHaveLength(3);
    expect(await Promise.all(backend.connections.map(({ gone }) => gone))).toHaveLength(3);
  });

  test('when the backend ends it without a word', async () => {
    const backend = rig.backend('silent-close');
    backend.script = async (exchange) => {
      await exchange.body();
      exchange.end(answer(204));
    };
    await using client = await rig.connect('silent-close');
    for (let turn = 0; turn < 3; turn += 1)
      expect((await client.ask(reqmod({ preview: 64, body: 'x' }))).status).toBe(204);
    expect(backend.connections).toHaveLength(3);
  });

  test('when the client leaves in the middle', async () => {
    const backend = rig.backend('abort');
    await using client = await rig.connect('abort');
    await client.send(HEAD, chunk('abc'));
    const exchange = await backend.exchange(0);
    await exchange.bytes(3);
    client.reset();
    expect(await exchange.connection.gone).toBeDefined();
    expect(exchange.isComplete).toBe(false);
    expect(await rig.access('abort', 1)).toMatchObject([{ verdict: 'aborted' }]);
    await using waiting = await rig.connect('abort');
    backend.script = (next) => next.stall();
    await waiting.send(reqmod({ body: 'x' }));
    const stalled = await backend.exchange(1);
    waiting.reset();
    expect(await stalled.connection.gone).toBeDefined();
  });
});

describe('a 206', () => {
  test('goes to a client that allows it, with the place where the original goes on', async () => {
    rig.backend('partial').script = async (exchange) => {
      await exchange.arrived();
      const partial = answer(206, [], { 'req-hdr': HTTP_POST, body: 'new' }).toString('latin1');
      exchange.send(partial.replace(/0\r\n\r\n$/, '0; use-original-body=3\r\n\r\n'));
    };
    const partial = await rig.ask('partial', reqmod({ lines: ['Allow: 206'], preview: 64, body: 'old body' }));
    expect([partial.status, partial.body.toString(), partial.useOriginalBody]).toEqual([206, 'new', 3]);
    const refused = await rig.ask('partial', reqmod({ preview: 64, body: 'old body' })).catch(() => undefined);
    expect(refused?.status).not.toBe(206);
  });
});
