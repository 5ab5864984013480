import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, type ExchangeScript, type ScriptBackend } from '../_util/icap-script-backend.ts';
import { connectScriptClient, type ScriptClient } from '../_util/icap-script-client.ts';
import { answer, blocked, HTTP_POST, options, reqmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

const NAMES = [
  ...['one', 'many', 'hangs-up', 'resets', 'says-408', 'aged', 'keeps-nothing', 'young', 'burst', 'places'],
  ...['idle-fin', 'idle-bytes', 'parallel', 'idle-clients', 'one-write', 'pieces'],
] as const;
type Scenario = (typeof NAMES)[number];

const REQUEST = reqmod({ preview: 64, body: 'document' });

let rig: Rig<Scenario>;

beforeAll(async () => {
  rig = await startRig<Scenario>({
    ...(Object.fromEntries(NAMES.map((name) => [name, {}])) as Record<Scenario, object>),
    'keeps-nothing': { config: { retain: 0 } },
    places: { backends: [{ 'max-connections': 80 }] },
  });
});

afterAll(() => rig[Symbol.asyncDispose]());

/** Opens this many clients; the caller's `await using` closes them. */
async function connectMany(service: Scenario, count: number): Promise<AsyncDisposable & { all: ScriptClient[] }> {
  const port = rig.gateway.port(service);
  const all = await Promise.all(Array.from({ length: count }, () => connectScriptClient(port)));
  return {
    all,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((client) => client[Symbol.asyncDispose]()));
    },
  };
}

/** Answers so many requests over each connection. */
function livingFor(requests: number, hangUp: ExchangeScript): ExchangeScript {
  return async (exchange) => {
    await exchange.arrived();
    if (exchange.turn < requests) exchange.send(answer(204));
    else await hangUp(exchange);
  };
}

/** Each client asks once, and none is answered before all have asked. */
async function inOneWave(backend: ScriptBackend, clients: readonly ScriptClient[]): Promise<void> {
  const { promise: isFull, resolve: full } = Promise.withResolvers<void>();
  let arrived = 0;
  backend.script = async (exchange) => {
    await exchange.arrived();
    arrived += 1;
    if (arrived === clients.length) full();
    await isFull;
    exchange.send(answer(204));
  };
  const answers = await Promise.all(clients.map((client) => client.ask(REQUEST)));
  expect(answers.every(({ status }) => status === 204)).toBe(true);
}

function openCount({ connections }: ScriptBackend): number {
  return connections.filter(({ isOpen }) => isOpen).length;
}

describe('connections to backends', () => {
  test('are used again, for other clients too', async () => {
    await using client = await rig.connect('one');
    for (let turn = 0; turn < 5; turn += 1) expect((await client.ask(REQUEST)).status).toBe(204);
    for (let turn = 0; turn < 5; turn += 1) expect((await rig.ask('one', REQUEST)).status).toBe(204);
    expect(rig.backend('one').connections).toHaveLength(1);
    expect(rig.backend('one').exchanges).toHaveLength(10);
  });

  test('are used again after every kind of finished answer', async () => {
    const backend = rig.backend('one');
    const { length } = backend.connections;
    for (const bytes of [answer(204), blocked('a page'), answer(403), answer(200, [], { 'req-hdr': HTTP_POST })]) {
      backend.script = answering(bytes);
      expect((await rig.ask('one', reqmod({ preview: 4, body: 'ieof' }))).isComplete).toBe(true);
    }
    backend.script = answering(answer(204));
    expect((await rig.ask('one', REQUEST)).status).toBe(204);
    expect(backend.connections).toHaveLength(length);
  });

  test('carry many requests that could be sent again, and after 90 no others', async () => {
    const backend = rig.backend('many');
    await using client = await rig.connect('many');
    for (let turn = 0; turn < 120; turn += 1) expect((await client.ask(REQUEST)).status).toBe(204);
    expect(backend.connections).toHaveLength(1);
    const bytes = reqmod({ lines: ['Allow: 204'], body: 'document' });
    await client.send(bytes.subarray(0, -5));
    const exchange = await backend.exchange(120);
    await client.send(bytes.subarray(-5));
    expect((await client.answer()).status).toBe(204);
    expect(exchange.turn).toBe(0);
    expect(backend.connections).toHaveLength(2);
  });

  test.each<{ scenario: Scenario; how: string; hangUp: ExchangeScript }>([
    { scenario: 'hangs-up', how: 'with a FIN', hangUp: (exchange) => exchange.end() },
    { scenario: 'resets', how: 'with a reset', hangUp: (exchange) => exchange.reset() },
    { scenario: 'says-408', how: 'with a 408', hangUp: (exchange) => exchange.end(answer(408)) },
  ])('end before the backend ends them $how, once it was seen to do so', async ({ scenario, hangUp }) => {
    const backend = rig.backend(scenario);
    backend.script = livingFor(95, hangUp);
    await using client = await rig.connect(scenario);
    for (let turn = 0; turn < 300; turn += 1) expect((await client.ask(REQUEST)).status).toBe(204);
    expect(backend.connections.map(({ exchanges }) => exchanges.length)).toEqual([96, 95, 95, 15]);
    expect(await rig.gateway.metric('icapgw_icap_retries_total', { service: scenario, reason: 'stale' })).toBe(1);
  });

  test('that are idle and as old as that are not used either', async () => {
    const backend = rig.backend('aged');
    await using clients = await connectMany('aged', 5);
    for (let wave = 1; wave <= 95; wave += 1) await inOneWave(backend, clients.all);
    expect(backend.connections).toHaveLength(5);
    backend.script = livingFor(95, (exchange) => exchange.end());
    for (const client of clients.all) expect((await client.ask(REQUEST)).status).toBe(204);
    expect(await rig.gateway.metric('icapgw_icap_retries_total', { service: 'aged', reason: 'stale' })).toBe(1);
  });

  test('that may end soon are not for requests that nobody keeps', async () => {
    const backend = rig.backend('keeps-nothing');
    backend.script = livingFor(95, (exchange) => exchange.end());
    await using client = await rig.connect('keeps-nothing');
    const request = reqmod({ lines: ['Allow: 204'], body: 'document' });
    for (let turn = 0; turn < 100; turn += 1) expect((await client.ask(request)).status).toBe(204);
    expect(backend.connections.map(({ exchanges }) => exchanges.length)).toEqual([90, 10]);
  });

  test('that are young are found beneath old ones', async () => {
    const backend = rig.backend('young');
    await using clients = await connectMany('young', 2);
    await inOneWave(backend, clients.all);
    backend.script = answering(answer(204));
    const [client] = clients.all as [ScriptClient];
    for (let turn = 0; turn < 95; turn += 1) expect((await client.ask(REQUEST)).status).toBe(204);
    const bytes = reqmod({ lines: ['Allow: 204'], body: 'document' });
    await client.send(bytes.subarray(0, -5));
    const exchange = await backend.exchange(97);
    await client.send(bytes.subarray(-5));
    expect((await client.answer()).status).toBe(204);
    expect(exchange.turn).toBe(1);
    expect(backend.connections.map(({ exchanges }) => exchanges.length).toSorted()).toEqual([2, 96]);
  });

  test('are all kept between the waves of a burst, and few after it', async () => {
    const backend = rig.backend('burst');
    await using clients = await connectMany('burst', 50);
    for (let wave = 0; wave < 3; wave += 1) await inOneWave(backend, clients.all);
    expect(backend.connections).toHaveLength(50);
    await expect.poll(() => openCount(backend), { timeout: 10_000 }).toBeLessThan(50);
    expect(openCount(backend)).toBe(32);
  });

  test('are kept for a burst only while they leave half of the places', async () => {
    const backend = rig.backend('places');
    await using clients = await connectMany('places', 60);
    await inOneWave(backend, clients.all);
    await expect.poll(() => openCount(backend)).toBeLessThanOrEqual(40);
    expect(openCount(backend)).toBeGreaterThanOrEqual(32);
  });

  test('that the backend has ended are replaced without anybody noticing', async () => {
    const backend = rig.backend('idle-fin');
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await rig.ask('idle-fin', REQUEST)).status).toBe(204);
      const connection = backend.connections.at(-1);
      connection?.socket.end();
      await connection?.gone;
    }
    expect(backend.connections).toHaveLength(3);
    for (const line of await rig.access('idle-fin', 3)) expect(line).toMatchObject({ attempt: 1, retryReason: null });
  });

  test('on which anything arrives unasked are left', async () => {
    const backend = rig.backend('idle-bytes');
    for (const bytes of [answer(408), answer(204), 'x', 'ICAP/1.0 200']) {
      expect((await rig.ask('idle-bytes', REQUEST)).status).toBe(204);
      const connection = backend.connections.at(-1);
      connection?.socket.write(bytes);
      await connection?.gone;
    }
    expect((await rig.ask('idle-bytes', REQUEST)).status).toBe(204);
    expect(backend.connections).toHaveLength(5);
  });

  test('carry one request at a time', async () => {
    const backend = rig.backend('parallel');
    const { promise: isFull, resolve: full } = Promise.withResolvers<void>();
    backend.script = async (exchange) => {
      await exchange.body();
      if (backend.exchanges.length === 10) full();
      await isFull;
      exchange.send(answer(204));
    };
    await using clients = await connectMany('parallel', 10);
    const answers = await Promise.all(clients.all.map((client) => client.ask(REQUEST)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 204));
    expect(backend.connections).toHaveLength(10);
    await Promise.all(clients.all.map((client) => client.ask(REQUEST)));
    expect(backend.connections.some(({ isPipelined }) => isPipelined)).toBe(false);
  });

  test('are not held by clients that wait', async () => {
    await using clients = await connectMany('idle-clients', 30);
    for (const client of clients.all.slice(0, 10)) expect((await client.ask(options())).status).toBe(200);
    expect(rig.backend('idle-clients').connections).toHaveLength(0);
    for (const client of clients.all) expect((await client.ask(REQUEST)).status).toBe(204);
    expect(rig.backend('idle-clients').connections).toHaveLength(1);
  });
});

describe('one write', () => {
  test('carries the head, the header blocks and the first chunk to the backend, and back', async () => {
    rig.backend('one-write').script = async (exchange) => {
      await exchange.body();
      exchange.send(blocked('the page'));
    };
    await using client = await rig.connect('one-write');
    for (let turn = 0; turn < 3; turn += 1) {
      const packets = client.packets.length;
      expect((await client.ask(reqmod({ body: 'document' }))).body.toString()).toBe('the page');
      expect(client.packets).toHaveLength(packets + 1);
      const [connection] = rig.backend('one-write').connections;
      expect(connection?.packets).toHaveLength(turn + 1);
    }
  });

  test('is put together from what the client sends in pieces of one byte', async () => {
    await using client = await rig.connect('pieces');
    const bytes = reqmod({ preview: 4, body: 'document' });
    await client.send(...Array.from(bytes, (byte) => Buffer.from([byte])));
    expect((await client.answer()).status).toBe(204);
    const [exchange] = rig.backend('pieces').exchanges;
    expect([exchange?.received.toString(), exchange?.endings]).toEqual(['docu', ['preview']]);
  });
});
