import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, echo, unmodified } from '../_util/icap-script-backend.ts';
import { answer, chunk, options, reqmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const ON = { headers: { correlation: 'X-Request-ID' } };

let rig: Rig<'on' | 'off' | 'retry' | 'policy' | 'block'>;

beforeAll(async () => {
  rig = await startRig({
    on: { config: ON },
    off: {},
    retry: { backends: [{}, {}, {}], config: ON },
    policy: { config: { ...ON, limits: { body: '10B' }, bypass: { extensions: 'png' } } },
    block: { config: { ...ON, limits: { body: '10B' }, 'on-oversize': 'block' } },
  });
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

function request(...lines: readonly string[]): Buffer {
  return reqmod({ lines: ['Allow: 204', ...lines], body: 'x' });
}

describe('the id of a request', () => {
  test('is the one that the client sent: to the backend, in the answer and in the access log', async () => {
    const backend = rig.backend('on');
    const { length } = backend.exchanges;
    const { fields } = await rig.ask('on', request('x-request-id: proxy_1.42~a'));
    const [exchange] = backend.exchanges.slice(length);
    const sent = exchange?.head.fields.filter(({ key }) => key === 'x-request-id');
    expect(sent?.map(({ name, value }) => `${name}: ${value}`)).toEqual(['X-Request-ID: proxy_1.42~a']);
    expect(fields.filter(({ key }) => key === 'x-request-id').map(({ value }) => value)).toEqual(['proxy_1.42~a']);
    const lines = await rig.access('on', 1);
    expect(lines.at(-1)).toMatchObject({ correlation: 'proxy_1.42~a' });
  });

  test.each([
    { name: 'none', lines: [] },
    { name: 'an empty one', lines: ['X-Request-ID: '] },
    { name: 'two', lines: ['X-Request-ID: a', 'X-Request-ID: b'] },
    { name: 'one with a blank', lines: ['X-Request-ID: a b'] },
    { name: 'one with a quote', lines: ['X-Request-ID: "a"'] },
    { name: 'one with bytes beyond ASCII', lines: ['X-Request-ID: a\xe9'] },
    { name: 'a long one', lines: [`X-Request-ID: ${'a'.repeat(129)}`] },
  ])('is made for a client that sends $name', async ({ lines }) => {
    const backend = rig.backend('on');
    const { length } = backend.exchanges;
    const reply = await rig.ask('on', request(...lines));
    const made = reply.field('X-Request-ID');
    expect(made).toMatch(UUID);
    const sent = backend.exchanges[length]?.head.fields.filter(({ key }) => key === 'x-request-id');
    expect(sent?.map(({ value }) => value)).toEqual([made]);
  });

  test('may have 128 characters', async () => {
    const id = 'a'.repeat(128);
    expect((await rig.ask('on', request(`X-Request-ID: ${id}`))).field('X-Request-ID')).toBe(id);
  });

  test('is another one with each request of a connection', async () => {
    await using client = await rig.connect('on');
    const first = (await client.ask(request())).field('X-Request-ID');
    const second = (await client.ask(request())).field('X-Request-ID');
    expect(first).toMatch(UUID);
    expect(second).not.toBe(first);
  });

  test('stands in the place of what the backend wrote there', async () => {
    const backend = rig.backend('on');
    backend.script = answering(answer(204, ['X-REQUEST-ID: backend', 'X-Other: 1']));
    const { fields } = await rig.ask('on', request('X-Request-ID: mine'));
    backend.script = unmodified;
    expect(fields.filter(({ key }) => key.startsWith('x-')).map(({ name, value }) => `${name}: ${value}`)).toEqual([
      'X-Request-ID: mine',
      'X-Other: 1',
    ]);
  });

  test('is the same with every attempt, and in every line about it', async () => {
    for (const index of [0, 1]) rig.backend('retry', index).script = (exchange) => exchange.end();
    await using client = await rig.connect('retry');
    await client.ask(reqmod({ lines: ['X-Request-ID: first'], body: '' }));
    await client.ask(reqmod({ lines: ['X-Request-ID: again'], body: 'x' }));
    const sent = [0, 1, 2].map((index) => rig.backend('retry', index).exchanges.at(-1)?.head.fields);
    for (const fields of sent) expect(fields).toContainEqual(expect.objectContaining({ value: 'again' }));
    const failed = await rig.gateway.waitForEvent(
      'icap-attempt-failed',
      ({ service, correlation, backend }) => service === 'retry' && correlation === 'again' && backend === 'backend-1',
    );
    expect(failed.transaction).toBe(`${failed.connection}-2`);
    const lines = await rig.access('retry', 2);
    expect(lines.at(-1)).toMatchObject({ ...pick(failed), correlation: 'again', attempt: 3 });
  });

  test('is in what the gateway answers itself', async () => {
    const id = 'X-Request-ID: own';
    const png = 'POST http://h/a.png HTTP/1.1\r\nHost: h\r\n\r\n';
    const oversized = reqmod({ lines: [id], body: 'x'.repeat(11) });
    const answers = {
      'a 204 by a rule': await rig.ask('policy', reqmod({ 'req-hdr': png, lines: ['Allow: 204', id], body: 'x' })),
      'an echo by a rule': await rig.ask('policy', reqmod({ 'req-hdr': png, lines: [id], body: 'x' })),
      'an error by a policy': await rig.ask('policy', oversized),
      'a block page': await rig.ask('block', oversized),
      OPTIONS: await rig.ask('on', options('/reqmod', [id])),
    };
    for (const [name, reply] of Object.entries(answers)) expect(reply.field('X-Request-ID'), name).toBe('own');
    const policy = await rig.gateway.waitForEvent('icap-policy', ({ service }) => service === 'block');
    expect(policy).toMatchObject({ correlation: 'own', transaction: `${policy.connection}-1` });
  });

  test('is in the refusal of a request whose head could be read', async () => {
    await using client = await rig.connect('on');
    const head = reqmod({ lines: ['X-Request-ID: broken'], body: 'x' });
    const bad = Buffer.concat([head.subarray(0, head.length - 5), chunk('x'), Buffer.from('zz\r\n')]);
    expect((await client.ask(bad)).field('X-Request-ID')).toBe('broken');
    const refused = await rig.gateway.waitForEvent(
      'icap-request-refused',
      ({ correlation }) => correlation === 'broken',
    );
    expect(refused.transaction).toBe(`${refused.connection}-1`);
  });

  test('does not go with one whose head could not', async () => {
    const reply = await rig.ask('on', Buffer.from('REQMOD x ICAP/1.0\r\nX-Request-ID: a\r\n\r\n'));
    expect([reply.status, reply.field('X-Request-ID')]).toEqual([400, undefined]);
  });
});

describe('without headers.correlation', () => {
  test('the header is like any other', async () => {
    const backend = rig.backend('off');
    backend.script = echo;
    const reply = await rig.ask('off', reqmod({ lines: ['X-Request-ID: a b', 'traceparent: c'], body: 'x' }));
    expect(reply.field('X-Request-ID')).toBeUndefined();
    const { fields = [] } = backend.exchanges[0]?.head ?? {};
    expect(fields.map(({ name, value }) => `${name}: ${value}`)).toEqual(
      expect.arrayContaining(['X-Request-ID: a b', 'traceparent: c']),
    );
    expect(await rig.access('off', 1)).toMatchObject([{ correlation: null }]);
  });

  test('requests have their numbers all the same', async () => {
    await using client = await rig.connect('off');
    await client.ask(request());
    await client.ask(options());
    await client.ask(request());
    const lines = (await rig.access('off', 4)).slice(-3).map(pick);
    const connection = lines[0]?.connection;
    expect(lines.map(({ transaction }) => transaction)).toEqual([1, 2, 3].map((number) => `${connection}-${number}`));
    expect(new Set(lines.map((line) => line.connection)).size).toBe(1);
  });
});

/** What every line about a request has. */
function pick(line: object): { readonly connection: number; readonly transaction: string } {
  const { connection, transaction } = line as { connection: number; transaction: string };
  return { connection, transaction };
}
