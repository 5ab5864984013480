import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering } from '../_util/icap-script-backend.ts';
import { answer, blocked, chunk, HTTP_OK, options, reqmod, respmod, rest } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

type Scenario = 'kept' | 'pipelined' | 'close' | 'half' | 'slow-head' | 'slow-body' | 'idle' | 'backpressure';

let rig: Rig<Scenario>;

beforeAll(async () => {
  rig = await startRig<Scenario>({
    kept: {},
    pipelined: {},
    close: {},
    half: {},
    'slow-head': { config: { timeouts: { 'request-header': '250ms' } } },
    'slow-body': { config: { timeouts: { 'body-idle': '250ms' } } },
    idle: { config: { timeouts: { idle: '250ms' } } },
    backpressure: {},
  });
});

afterAll(() => rig[Symbol.asyncDispose]());

describe('a client’s connection', () => {
  test('serves requests of every kind one after the other', async () => {
    await using client = await rig.connect('kept');
    const { script } = rig.backend('kept');
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await client.ask(options())).status).toBe(200);
      // Some clients end a message with a line end too many.
      await client.send('\r\n');
      expect((await client.ask(reqmod({ preview: 0 }))).status).toBe(204);
      const same = await client.ask(respmod({ body: `page ${turn}` }));
      expect([same.status, same.section('res-hdr'), same.body.toString()]).toEqual([200, HTTP_OK, `page ${turn}`]);
      rig.backend('kept').script = answering(blocked('no'));
      expect((await client.ask(reqmod({ preview: 2, body: 'more' }))).status).toBe(100);
      await client.send(rest('more', 2));
      expect((await client.answer()).body.toString()).toBe('no');
      rig.backend('kept').script = script;
    }
  });

  test('answers pipelined requests in their order, and works on one at a time', async () => {
    const backend = rig.backend('pipelined');
    const { promise: isLet, resolve: letGo } = Promise.withResolvers<void>();
    backend.script = async (exchange) => {
      const body = await exchange.body();
      if (exchange === backend.exchanges[0]) await isLet;
      exchange.send(blocked(`page for ${body}`));
    };
    await using client = await rig.connect('pipelined');
    const three = ['one', 'two', 'three'].map((body) => reqmod({ body }));
    await client.send(Buffer.concat([...three, options()]));
    await backend.exchange(0);
    expect((await rig.ask('pipelined', reqmod({ body: 'other' }))).body.toString()).toBe('page for other');
    expect(backend.exchanges).toHaveLength(2);
    letGo();
    for (const body of ['one', 'two', 'three'])
      expect((await client.answer()).body.toString()).toBe(`page for ${body}`);
    expect((await client.answer('OPTIONS')).field('methods')).toContain('REQMOD');
    expect(backend.connections.some(({ isPipelined }) => isPipelined)).toBe(false);
  });

  test.each([
    ['REQMOD', reqmod({ lines: ['Connection: close'], preview: 64, body: 'document' }), 204],
    ['OPTIONS', options('/reqmod', ['connection: Close']), 200],
  ] as const)('ends after %s where the client says close', async (_, request, status) => {
    await using client = await rig.connect('close');
    const { status: answered, head } = await client.ask(request);
    expect([answered, head.close]).toEqual([status, true]);
    expect(await client.gone).toBe('fin');
    for (const { head: sent } of rig.backend('close').exchanges) expect(sent.close).toBe(false);
  });

  test('may be half closed after a request, which is answered', async () => {
    rig.backend('half').script = answering(blocked('no'));
    await using client = await rig.connect('half');
    const waiting = client.ask(reqmod({ body: 'document' }));
    client.finish();
    expect((await waiting).body.toString()).toBe('no');
    expect(await client.gone).toBe('fin');
  });

  test('that is half closed inside a request is given up', async () => {
    rig.backend('half').script = (exchange) => exchange.stall();
    const { length } = rig.backend('half').exchanges;
    await using client = await rig.connect('half');
    await client.send(reqmod({ body: '' }).subarray(0, -5), chunk('some'));
    const exchange = await rig.backend('half').exchange(length);
    client.finish();
    expect(await exchange.connection.gone).toBeDefined();
    expect(await client.gone).toBeDefined();
  });

  test('holds back a client that sends faster than the backend reads', async () => {
    const { promise: isLet, resolve: letGo } = Promise.withResolvers<void>();
    rig.backend('backpressure').script = async (exchange) => {
      exchange.connection.socket.pause();
      await isLet;
      exchange.connection.socket.resume();
      await exchange.body();
      exchange.send(answer(204));
    };
    await using client = await rig.connect('backpressure');
    const piece = chunk(Buffer.alloc(1024 * 1024, 'x'));
    const sent = client.send(reqmod({ lines: ['Allow: 204'], body: '' }).subarray(0, -5), ...Array(64).fill(piece));
    await rig.backend('backpressure').exchange(0);
    const before = await rig.gateway.metric('process_resident_memory_bytes');
    letGo();
    await sent;
    await client.send('0\r\n\r\n');
    expect((await client.answer()).status).toBe(204);
    expect(rig.backend('backpressure').exchanges[0]?.received.length).toBe(64 * 1024 * 1024);
    expect((await rig.gateway.metric('process_resident_memory_bytes')) - before).toBeLessThan(200 * 1024 * 1024);
  });
});

describe('a client that is too slow', () => {
  test('to read holds back the backend', async () => {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    let sentCount = 0;
    rig.backend('backpressure').script = async (exchange) => {
      await exchange.body();
      exchange.send(answer(200, [], { 'res-hdr': HTTP_OK, body: '' }).subarray(0, -5));
      for (; sentCount < 64; sentCount += 1) {
        const { socket } = exchange.connection;
        if (!socket.write(chunk(piece))) await once(socket, 'drain');
      }
      exchange.send('0\r\n\r\n');
    };
    await using client = await rig.connect('backpressure');
    await client.send(reqmod({ body: 'document' }));
    expect((await client.beginAnswer()).status).toBe(200);
    client.socket.pause();
    let lastCount = -1;
    await expect
      .poll(
        () => {
          const isStill = sentCount === lastCount;
          lastCount = sentCount;
          return isStill;
        },
        { interval: 200 },
      )
      .toBe(true);
    expect(sentCount).toBeLessThan(40);
    client.socket.resume();
    expect((await client.answer()).body.length).toBe(64 * piece.length);
  });

  test('with its head is closed', async () => {
    await using client = await rig.connect('slow-head');
    await client.send('REQMOD icap://h/ ICAP/1.0\r\nHost: h\r\n');
    expect(await client.gone).toBeDefined();
    client.finish();
    const labels = { service: 'slow-head', reason: 'request-timeout' };
    await expect.poll(() => rig.gateway.metric('icapgw_connections_closed_total', labels)).toBe(1);
  });

  test('with its body is closed, and the backend freed', async () => {
    await using client = await rig.connect('slow-body');
    await client.send(reqmod({ body: '' }).subarray(0, -5), chunk('some'));
    const exchange = await rig.backend('slow-body').exchange(0);
    expect(await client.gone).toBeDefined();
    expect(await exchange.connection.gone).toBeDefined();
  });

  test('with its next request is closed without a word', async () => {
    await using client = await rig.connect('idle');
    expect((await client.ask(reqmod({ preview: 0 }))).status).toBe(204);
    const { length } = client.received;
    expect(await client.gone).toBe('fin');
    expect(client.received).toHaveLength(length);
  });
});

test('a drain lets a transaction finish, says close and ends', async () => {
  await using small = await startRig({ draining: {} });
  const backend = small.backend('draining');
  const { promise: isLet, resolve: letGo } = Promise.withResolvers<void>();
  backend.script = async (exchange) => {
    await exchange.body();
    await isLet;
    exchange.send(answer(204));
  };
  await using idle = await small.connect('draining');
  await using client = await small.connect('draining');
  const waiting = client.ask(reqmod({ preview: 64, body: 'document' }));
  await backend.exchange(0);
  small.gateway.signal('SIGTERM');
  expect(await idle.gone).toBe('fin');
  letGo();
  const { status, head } = await waiting;
  expect([status, head.close]).toEqual([204, true]);
  expect(await client.gone).toBe('fin');
  expect(await small.gateway.exited).toEqual({ code: 0, signal: null });
});
