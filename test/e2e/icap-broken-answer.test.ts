import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, type ExchangeScript, unmodified } from '../_util/icap-script-backend.ts';
import { answer, blocked, HTTP_FORBIDDEN, HTTP_POST, reqmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

const IN_PREVIEW = reqmod({ preview: 4, body: 'document' });
/** An ICAP head, and then only the beginning of the block of HTTP headers that it announces. */
const HALF_A_BLOCK =
  'ICAP/1.0 200 OK\r\nISTag: "backend"\r\nEncapsulated: res-hdr=0, res-body=60\r\n\r\nHTTP/1.1 403 Forb';
/** Whole headers and half of a body. */
const HALF_A_BODY = blocked('x'.repeat(1000)).subarray(0, 300);

/** What the first of two backends does to every request, in the middle of its answer. */
const BREAKS: Readonly<Record<string, ExchangeScript>> = {
  'a reset': async (exchange) => {
    await exchange.body();
    exchange.send(HALF_A_BODY);
    // Together with the reset the bytes would not arrive.
    await delay(30);
    exchange.reset();
  },
  'a FIN': async (exchange) => {
    await exchange.body();
    exchange.end(HALF_A_BODY);
  },
  'a stall': async (exchange) => {
    await exchange.body();
    exchange.send(HALF_A_BODY);
    await exchange.stall();
  },
};

type Scenario = 'empty' | 'early' | 'stall' | 'block-reset' | 'partly' | 'worked' | 'raced';

let rig: Rig<string>;

beforeAll(async () => {
  const two = { backends: [{}, {}] };
  const once = { ...two, config: { retry: 'never' } };
  const named: Readonly<Record<Scenario, object>> = {
    empty: {},
    early: { config: { timeouts: { 'body-idle': '10s' } } },
    stall: { config: { timeouts: { response: '300ms', 'body-idle': '300ms' }, 'on-timeout': 'bypass' } },
    'block-reset': two,
    partly: once,
    worked: once,
    raced: once,
  };
  const config = {
    outliers: { 'consecutive-failures': 2, eject: '30s', 'max-ejected': '50%' },
    timeouts: { 'body-idle': '150ms' },
  };
  const rows = Object.fromEntries(Object.keys(BREAKS).map((name) => [name, { ...two, config }]));
  rig = await startRig({ ...named, ...rows });
});

afterAll(() => rig[Symbol.asyncDispose]());

describe('a 204 that is said to have content', () => {
  test.each([
    ['a body', 'Encapsulated: req-body=0\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
    ['header blocks', `Encapsulated: req-hdr=0, null-body=${HTTP_POST.length}\r\n\r\n${HTTP_POST}`],
  ])('goes on without %s, so that the next answer is understood', async (_, content) => {
    rig.backend('empty').script = async (exchange) => {
      await exchange.arrived();
      exchange.send(`ICAP/1.0 204 No Content\r\nISTag: "backend"\r\n${content}`);
    };
    await using client = await rig.connect('empty');
    for (let turn = 0; turn < 2; turn += 1) {
      const { status, head } = await client.ask(IN_PREVIEW);
      expect([status, head.encapsulated.headers, head.encapsulated.body]).toEqual([204, [], 'null-body']);
    }
    expect(client.received.toString('latin1')).not.toMatch(/hello|POST/);
  });
});

test('a backend that answers early and dies while it reads nothing more does not hold up its client', async () => {
  const backend = rig.backend('early');
  const { promise: isStuck, resolve: stuck } = Promise.withResolvers<void>();
  backend.script = async (exchange) => {
    exchange.connection.socket.pause();
    exchange.send(blocked('no'));
    await isStuck;
    exchange.reset();
  };
  await using client = await rig.connect('early');
  const sent = client.send(reqmod({ body: Buffer.alloc(7_500_000) }));
  expect((await client.answer()).status).toBe(200);
  let takenBytes = 0;
  const moreBytes = async (): Promise<number> => {
    const before = takenBytes;
    takenBytes = await rig.gateway.metric('icapgw_bytes_total', { service: 'early', direction: 'received' });
    return before === 0 ? Number.NaN : takenBytes - before;
  };
  await expect.poll(moreBytes, { interval: 250, timeout: 5_000 }).toBe(0);
  backend.script = unmodified;
  const startMs = performance.now();
  stuck();
  await sent;
  expect((await client.ask(reqmod({ preview: 0 }))).status).toBe(204);
  expect(performance.now() - startMs).toBeLessThan(5_000);
});

describe('an answer that breaks off in its middle', () => {
  test.each(Object.entries(BREAKS))('by %s counts against its backend, which is ejected', async (service, script) => {
    rig.backend(service).script = script;
    const isEjected = (): Promise<number> =>
      rig.gateway.metric('icapgw_backend_state', { service, backend: 'backend-0', state: 'ejected' });
    for (let turn = 0; turn < 2; turn += 1) {
      expect(await isEjected()).toBe(0);
      await using client = await rig.connect(service);
      await client.send(reqmod({ body: 'document' }));
      await client.gone;
      expect((await rig.access(service, turn + 1))[turn]).toMatchObject({ verdict: 'aborted', backend: 'backend-0' });
    }
    await expect.poll(isEjected).toBe(1);
    expect((await rig.ask(service, reqmod({ preview: 0 }))).status).toBe(204);
    expect((await rig.access(service, 3))[2]).toMatchObject({ verdict: 'allowed', backend: 'backend-1' });
  });
});

describe('an answer that breaks off before its client has seen a byte of it', () => {
  test('by a stall is for on-timeout', async () => {
    rig.backend('stall').script = async (exchange) => {
      await exchange.arrived();
      exchange.send(HALF_A_BLOCK);
      await exchange.stall();
    };
    for (const request of [IN_PREVIEW, reqmod({ lines: ['Allow: 204'], body: 'document' })])
      expect((await rig.ask('stall', request)).status).toBe(204);
    const bypassed = { verdict: 'bypassed', reason: 'on-timeout', status: 204 };
    expect(await rig.access('stall', 2)).toMatchObject([bypassed, bypassed]);
  });

  test('by a reset is asked for elsewhere, and counted once', async () => {
    rig.backend('block-reset').script = async (exchange) => {
      await exchange.arrived();
      exchange.send(HALF_A_BLOCK);
      await delay(30);
      exchange.reset();
    };
    expect((await rig.ask('block-reset', IN_PREVIEW)).status).toBe(204);
    expect(await rig.access('block-reset', 1)).toMatchObject([{ backend: 'backend-1', status: 204, attempt: 2 }]);
    const counted = (labels: object): Promise<number> =>
      rig.gateway.metric('icapgw_icap_requests_total', { service: 'block-reset', ...labels });
    await expect.poll(() => counted({})).toBe(1);
    expect(await counted({ backend: 'backend-1', status: '204' })).toBe(1);
  });
});

describe('on a kept connection, retry: never', () => {
  test.each([
    ['a backend that began to answer', 'partly', 'ICAP/1.0 20', 30],
    ['a backend that worked on the request', 'worked', '', 1_200],
  ] as const)('sends nothing again to %s and then closed', async (_, service, bytes, afterMs) => {
    const backend = rig.backend(service);
    backend.script = answering(blocked('no'));
    await using client = await rig.connect(service);
    expect((await client.ask(reqmod({ body: 'first' }))).status).toBe(200);
    backend.script = async (exchange) => {
      await exchange.body();
      exchange.send(bytes);
      await delay(afterMs);
      exchange.end();
    };
    expect((await client.ask(reqmod({ body: 'second' }))).status).toBe(502);
    expect(backend.exchanges).toHaveLength(2);
    expect(backend.connections).toHaveLength(1);
    expect((await rig.access(service, 2))[1]).toMatchObject({ attempt: 1, retryReason: null, verdict: 'error' });
  });

  test('sends again what met a connection that was just closed', async () => {
    const backend = rig.backend('raced');
    backend.script = answering(blocked('no'));
    await using client = await rig.connect('raced');
    expect((await client.ask(reqmod({ body: 'first' }))).status).toBe(200);
    backend.script = (exchange) => {
      backend.script = answering(answer(200, [], { 'res-hdr': HTTP_FORBIDDEN, body: 'again' }));
      exchange.reset();
    };
    expect((await client.ask(reqmod({ body: 'second' }))).body.toString()).toBe('again');
    expect((await rig.access('raced', 2))[1]).toMatchObject({ attempt: 2, retryReason: 'stale', backend: 'backend-0' });
  });
});
