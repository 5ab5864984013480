import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, type ExchangeScript, saying } from '../_util/icap-script-backend.ts';
import type { Answer } from '../_util/icap-script-client.ts';
import { answer, blocked, HTTP_GET, options, reqmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

type Scenario = 'pool' | 'passthrough' | 'bare' | 'opt-body' | 'missing' | 'dying' | 'dead';

const HEALTH = { type: 'icap', path: '/reqmod', interval: '200ms', timeout: '1s', rise: 1, fall: 1 };

let rig: Rig<Scenario>;

beforeAll(async () => {
  rig = await startRig<Scenario>({
    pool: { backends: [{}, {}], spread: true },
    passthrough: { config: { istag: 'passthrough' } },
    bare: { backends: [{ 'max-connections': 7 }, {}], spread: true },
    'opt-body': {},
    missing: {},
    dying: { backends: [{}], config: { health: HEALTH } },
    dead: { backends: [{}], config: { health: HEALTH } },
  });
  // What backends say of a path is asked for when a client first names it, so there is time to set it here.
  rig.backend('pool', 0).optionsScript = saying(
    'Methods: REQMOD',
    'Service: Engine 1',
    'ISTag: "engine-one"',
    'Date: Mon, 01 Jan 2001 00:00:00 GMT',
    'Max-Connections: 10',
    'Options-TTL: 600',
    'Preview: 1024',
    'Allow: 204, 206, trailers',
    'Transfer-Preview: *',
    'Transfer-Ignore: gif, jpg',
    'Transfer-Complete: exe',
    'X-Include: X-Client-IP',
  );
  rig.backend('pool', 1).optionsScript = saying(
    'Methods: REQMOD',
    'ISTag: "engine-two"',
    'Max-Connections: 5',
    'Options-TTL: 120',
    'Preview: 512',
    'Allow: 204',
    'Transfer-Preview: *',
    'Transfer-Ignore: gif',
    'Transfer-Complete: zip',
    'X-Include: X-Authenticated-User',
  );
  const passed = ['Methods: REQMOD, RESPMOD', 'ISTag: "its-own"', 'Preview: 30', 'Allow: 204, 206'];
  rig.backend('passthrough').optionsScript = saying(...passed);
  rig.backend('bare', 0).optionsScript = saying('Methods: RESPMOD, REQMOD', 'Max-Connections: 100', 'Preview: 4');
  rig.backend('bare', 1).optionsScript = saying('Methods: RESPMOD, REQMOD', 'Max-Connections: 1');
  rig.backend('opt-body').optionsScript = (exchange) => {
    const lines = ['ISTag: "b"', 'Methods: REQMOD', 'Opt-body-type: text/plain', 'Encapsulated: opt-body=0'];
    exchange.send(`ICAP/1.0 200 OK\r\n${lines.join('\r\n')}\r\n\r\n4\r\ntext\r\n0\r\n\r\n`);
  };
  rig.backend('missing').optionsScript = (exchange) => exchange.send(answer(404));
});

afterAll(() => rig[Symbol.asyncDispose]());

function list(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((item) => item.trim())
    .sort();
}

describe('OPTIONS is answered with what all backends can do', () => {
  let said: Answer;
  let askedBefore: number;

  beforeAll(async () => {
    said = await rig.ask('pool', options());
    askedBefore = rig.backend('pool', 0).options.length;
  });

  test('the methods, the smallest preview and what every backend allows', () => {
    expect(said.status).toBe(200);
    expect(said.field('methods')).toBe('REQMOD');
    expect(said.field('preview')).toBe('512');
    expect(said.field('allow')).toBe('204');
    expect(said.field('encapsulated')).toBe('null-body=0');
    expect(said.field('service')).toContain('icapgw');
    expect(list(said.field('x-include'))).toEqual(['X-Authenticated-User', 'X-Client-IP']);
  });

  test('the transfer lists: ignored only what all ignore, complete what anyone wants complete, one default', () => {
    expect(list(said.field('transfer-ignore'))).toEqual(['gif']);
    expect(list(said.field('transfer-complete'))).toEqual(['exe', 'zip']);
    expect(list(said.field('transfer-preview'))).toContain('*');
  });

  test('the sum of the connections, less one of each backend for its health checks', () => {
    expect(said.field('max-connections')).toBe('13');
  });

  test('the shortest time to live that is left', () => {
    const seconds = Number(said.field('options-ttl'));
    expect(seconds).toBeGreaterThanOrEqual(30);
    expect(seconds).toBeLessThanOrEqual(120);
  });

  test('one ISTag for the pool, which every other answer carries too', async () => {
    const istag = said.field('istag');
    expect(istag).toMatch(/^"gw-[0-9a-f]{24}"$/);
    for (const [index, bytes] of [answer(204), blocked('no', ['ISTag: unquoted']), answer(400)].entries()) {
      for (const place of [0, 1]) rig.backend('pool', place).script = answering(bytes);
      const { fields } = await rig.ask('pool', reqmod({ path: '/reqmod', lines: ['Allow: 204'], body: `${index}` }));
      expect(fields.filter(({ key }) => key === 'istag').map(({ value }) => value)).toEqual([istag]);
    }
    expect((await rig.ask('pool', options())).field('istag')).toBe(istag);
  });

  test('without asking a backend again, and with a date of its own', async () => {
    await using client = await rig.connect('pool');
    for (let turn = 0; turn < 5; turn += 1) {
      const date = Date.parse((await client.ask(options('/reqmod', ['Allow: 206, trailers']))).field('date') ?? '');
      expect(Math.abs(Date.now() - date)).toBeLessThan(5_000);
    }
    expect(rig.backend('pool', 0).options).toHaveLength(askedBefore);
  });

  test('with what a backend left out left out, and never 0 connections', async () => {
    const bare = await rig.ask('bare', options());
    expect(list(bare.field('methods'))).toEqual(['REQMOD', 'RESPMOD']);
    expect([bare.field('preview'), bare.field('transfer-preview')]).toEqual([undefined, undefined]);
    // 7 as configured, and 1 of the one that has but 1.
    expect(bare.field('max-connections')).toBe('8');
    expect(Number(bare.field('options-ttl'))).toBeGreaterThanOrEqual(30);
  });

  test('without the body of one', async () => {
    const { status, field, head } = await rig.ask('opt-body', options());
    expect([status, field('methods'), field('encapsulated')]).toEqual([200, 'REQMOD', 'null-body=0']);
    expect([field('opt-body-type'), head.encapsulated.body]).toEqual([undefined, 'null-body']);
  });
});

test('with istag: passthrough the ISTag is the backend’s own', async () => {
  const said = await rig.ask('passthrough', options());
  expect([said.field('istag'), said.field('allow'), said.field('preview')]).toEqual(['"its-own"', '204, 206', '30']);
  rig.backend('passthrough').script = answering(answer(204, ['ISTag: "of-the-day"']));
  expect((await rig.ask('passthrough', reqmod({ preview: 0 }))).field('istag')).toBe('"of-the-day"');
  rig.backend('passthrough').script = answering(answer(204, ['ISTag: unquoted']));
  expect((await rig.ask('passthrough', reqmod({ preview: 0 }))).field('istag')).toBe('"unquoted"');
});

test('a path that no backend knows is not found', async () => {
  expect((await rig.ask('missing', options('/nowhere'))).status).toBe(404);
});

test('each path has answers of its own', async () => {
  const perPath: ExchangeScript = (exchange) => {
    const methods = exchange.head.uri.path === '/respmod' ? 'RESPMOD' : 'REQMOD';
    exchange.send(answer(200, [`Methods: ${methods}`, 'Encapsulated: null-body=0']));
  };
  for (const index of [0, 1]) rig.backend('pool', index).optionsScript = perPath;
  expect((await rig.ask('pool', options('/respmod'))).field('methods')).toBe('RESPMOD');
  expect((await rig.ask('pool', options('/other'))).field('methods')).toBe('REQMOD');
});

describe('while no backend is usable', () => {
  test('OPTIONS says what it last knew, for a minute, while transactions get what when-down says', async () => {
    const { port } = rig.backend('dying');
    const before = await rig.ask('dying', options());
    expect(before.status).toBe(200);
    await rig.backend('dying')[Symbol.asyncDispose]();
    await rig.gateway.waitForEvent('backend-state', ({ service, to }) => service === 'dying' && to === 'down');
    const after = await rig.ask('dying', options());
    expect([after.status, after.field('methods')]).toEqual([200, before.field('methods')]);
    expect(Number(after.field('options-ttl'))).toBeLessThanOrEqual(60);
    expect(after.field('max-connections')).not.toBe('0');
    expect((await rig.ask('dying', reqmod({ preview: 0, 'req-hdr': HTTP_GET }))).status).toBeGreaterThanOrEqual(500);
    expect(port).toBeGreaterThan(0);
  });

  test('OPTIONS is answered although nobody ever was usable', async () => {
    await rig.backend('dead')[Symbol.asyncDispose]();
    await rig.gateway.waitForEvent('backend-state', ({ service, to }) => service === 'dead' && to === 'down');
    const said = await rig.ask('dead', options('/never-asked'));
    expect(said.status).toBe(200);
    expect(list(said.field('methods'))).toContain('REQMOD');
    expect(said.field('istag')).toMatch(/^".{1,32}"$/);
    expect(Number(said.field('options-ttl'))).toBeLessThanOrEqual(60);
  });
});
