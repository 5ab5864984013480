import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ExchangeScript } from '../_util/icap-script-backend.ts';
import { answer, options } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

/** Paths that clients name are learned up to this number. */
const MAX_LEARNED = 64;

type Scenario = 'invented' | 'root';

let rig: Rig<Scenario>;

beforeAll(async () => {
  const health = { type: 'icap', interval: '60s', timeout: '2s' };
  rig = await startRig<Scenario>({ invented: { config: { health } }, root: { config: { health } } });
  for (const name of ['invented', 'root'] as const) rig.backend(name).optionsScript = servingAllBut(/^\/bogus/);
});

afterAll(() => rig[Symbol.asyncDispose]());

test('paths that no backend serves do not keep a later one from being learned', async () => {
  await using client = await rig.connect('invented');
  for (let count = 0; count < MAX_LEARNED; count += 1)
    expect((await client.ask(options(`/bogus-${count}`))).status).toBe(404);
  for (let turn = 0; turn < 2; turn += 1) {
    const said = await client.ask(options('/real'));
    expect([said.status, said.field('preview')]).toEqual([200, '77']);
  }
  expect(rig.gateway.events.filter(({ event }) => event === 'icap-path-ignored')).toEqual([]);
});

test('the path / is learned like any other, although a monitor asks for it too', async () => {
  await using client = await rig.connect('root');
  const said = async (): Promise<string | undefined> => (await client.ask(options('/'))).field('preview');
  await expect.poll(said).toBe('77');
});

function servingAllBut(path: RegExp): ExchangeScript {
  const served = answer(200, ['Methods: REQMOD', 'Preview: 77', 'Options-TTL: 60', 'Encapsulated: null-body=0']);
  return (exchange) => exchange.send(path.test(exchange.head.uri.path) ? answer(404) : served);
}
