import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering } from '../_util/icap-script-backend.ts';
import { connectScriptClient, type ScriptClient } from '../_util/icap-script-client.ts';
import { answer, blocked, HTTP_POST, options, reqmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

type Scenario =
  | 'one'
  | 'many'
  | 'hangs-up'
  | 'burst'
  | 'idle-fin'
  | 'idle-bytes'
  | 'parallel'
  | 'idle-clients'
  | 'one-write'
  | 'pieces';

const REQUEST = reqmod({ preview: 64, body: 'document' });

let rig: Rig<Scenario>;

beforeAll(async () => {
  const names = [
    'one',
    'many',
    'hangs-up',
    'burst',
    'idle-fin',
    'idle-bytes',
    'parallel',
    'idle-clients',
    'one-write',
    'pieces',
  ];
  rig = await startRig<Scenario>(Object.fromEntries(names.map((name) => [name, {}])) as Record<Scenario, object>);
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

  test('end before the backend ends them, once it was seen to do so', async () => {
    const backend = rig.backend('hangs-up');
    backend.script = async (exchange) => {
      await exchange.arrived();
      if (exchange.turn < 95) exchange.send(answer(204));
      else exchange.end();
    };
    await using client = await rig.connect('hangs-up');
    for (let turn = 0; turn < 300; turn += 1) expect((await client.ask(REQUEST)).status).toBe(204);
    expect(backend.connections.map(({ exchanges }) => exchanges.length)).toEqual([96, 95, 95, 15]);
    expect(await rig.gateway.metric('icapgw_icap_retries_total', { service: 'hangs-up', reason: 'stale' })).toBe(1);
  });

  test('are all kept between the waves of a burst, and few after it', async () => {
    const backend = rig.backend('burst');
    await using clients = await connectMany('burst', 50);
    for (const wave of [1, 2, 3]) {
      const { promise: isFull, resolve: full } = Promise.withResolvers<void>();
      backend.script = async (exchange) => {
        await exchange.arrived();
        if (backend.exchanges.length === 50 * wave) full();
        await isFull;
        exchange.send(answer(204));
      };
      await Promise.all(clients.all.map((client) => client.ask(REQUEST)));
    }
    expect(backend.connections).toHaveLength(50);
    await expect
      .poll(() => backend.connections.filter(({ isOpen }) => isOpen).length, { timeout: 10_000 })
      .toBeLessThan(50);
    expect(backend.connections.filter(({ isOpen }) => isOpen)).toHaveLength(32);
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
