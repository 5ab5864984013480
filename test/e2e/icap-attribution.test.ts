import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering } from '../_util/icap-script-backend.ts';
import { answer, blocked, reqmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

const REQUEST = reqmod({ body: 'document' });
const ALLOWING = reqmod({ lines: ['Allow: 204'], body: 'document' });

type Scenario = 'policy' | 'given-back' | 'refused' | 'unfinished';

let rig: Rig<Scenario>;

beforeAll(async () => {
  rig = await startRig<Scenario>({
    policy: { config: { 'when-down': 'bypass' } },
    'given-back': {},
    refused: { config: { timeouts: { 'body-idle': '300ms' } } },
    unfinished: {
      config: {
        timeouts: { 'body-idle': '300ms' },
        outliers: { 'consecutive-failures': 1, eject: '30s', 'max-ejected': '100%' },
      },
    },
  });
});

afterAll(() => rig[Symbol.asyncDispose]());

describe('an answer is put down to', () => {
  test('nobody where a policy gave it, although a backend was asked', async () => {
    rig.backend('policy').script = answering(answer(500));
    expect((await rig.ask('policy', ALLOWING)).status).toBe(204);
    expect(await counted('policy')).toEqual({ none: 1, 'backend-0': 0 });
    const line = { backend: null, status: 204, verdict: 'bypassed', reason: 'when-down', attempt: 1 };
    expect(await rig.access('policy', 1)).toMatchObject([line]);
  });

  test('the backend whose 204 the client did not permit, and which became its own document', async () => {
    rig.backend('given-back').script = answering(answer(204));
    const { status, body } = await rig.ask('given-back', REQUEST);
    expect([status, body.toString()]).toEqual([200, 'document']);
    expect(await counted('given-back')).toEqual({ none: 0, 'backend-0': 1 });
    expect(await rig.access('given-back', 1)).toMatchObject([
      { backend: 'backend-0', status: 200, verdict: 'allowed' },
    ]);
  });
});

describe('a client that breaks off its body', () => {
  test('is in the access log with the status that it was refused with', async () => {
    rig.backend('refused').script = (exchange) => exchange.stall();
    await using client = await rig.connect('refused');
    await client.send(REQUEST.toString('latin1').replace('8\r\ndocument', 'zz\r\ndocument'));
    expect((await client.answer()).status).toBe(400);
    expect(await client.gone).toBe('fin');
    expect(await rig.access('refused', 1)).toMatchObject([{ status: 400, verdict: 'error', reason: 'protocol' }]);
    const verdicts = { service: 'refused', method: 'REQMOD' };
    const told = (verdict: string): Promise<number> =>
      rig.gateway.metric('icapgw_icap_verdicts_total', { ...verdicts, verdict });
    await expect.poll(() => told('error')).toBe(1);
    expect(await told('aborted')).toBe(0);
    expect(await counted('refused')).toEqual({ none: 1, 'backend-0': 0 });
  });

  test('after its whole answer does not harm the backend that gave it', async () => {
    rig.backend('unfinished').script = async (exchange) => {
      exchange.send(blocked('no'));
      await exchange.stall();
    };
    await using client = await rig.connect('unfinished');
    await client.send(reqmod({ body: Buffer.alloc(100_000) }).subarray(0, 50_000));
    expect((await client.answer()).body.toString()).toBe('no');
    await rig.gateway.waitForEvent('connection-closed', ({ service }) => service === 'unfinished');
    expect(await rig.access('unfinished', 1)).toMatchObject([{ verdict: 'blocked', status: 200 }]);
    expect(rig.gateway.events.filter(({ event }) => event === 'icap-answer-aborted')).toEqual([]);
    const state = { service: 'unfinished', backend: 'backend-0', state: 'up' };
    expect(await rig.gateway.metric('icapgw_backend_state', state)).toBe(1);
    const closed = { service: 'unfinished', reason: 'request-timeout' };
    await expect.poll(() => rig.gateway.metric('icapgw_connections_closed_total', closed)).toBe(1);
  });
});

test('log.access-format: squid fills every column', async () => {
  const log = { access: '-', 'access-format': 'squid' };
  await using small = await startRig({ squid: {} }, { log });
  small.backend('squid').script = answering(blocked('page'));
  const lines = [
    'X-Client-IP: 192.0.2.7',
    `X-Authenticated-User: ${Buffer.from('Local://ann').toString('base64')}`,
    'Proxy-Authorization: Basic c2VjcmV0',
  ];
  await small.ask('squid', reqmod({ path: '/reqmod?apikey=123', lines, body: 'document' }));
  await expect.poll(() => small.gateway.stdout).toContain('\n');
  const columns = small.gateway.stdout.trimEnd().split(/ +/);
  // The time takes two.
  expect(columns).toHaveLength(20);
  expect(columns).not.toContain('-');
  expect(columns.slice(3, 5)).toEqual(['POST', 'http://www.example/form']);
  expect(columns.slice(7, 13)).toEqual([
    '192.0.2.7',
    'ICAP_SAT/200',
    'REQMOD',
    expect.stringMatching(/^icap:\/\/gateway\.example\/reqmod\?/),
    'Local://ann',
    'backend-0',
  ]);
  expect(columns[15]).toBe(String('page'.length));
  expect(columns[16]).toContain('X-Client-IP:%20192.0.2.7');
  expect(columns[17]).toContain('ISTag:');
  expect(small.gateway.stdout).not.toMatch(/c2VjcmV0|apikey=123/);
});

async function counted(service: Scenario): Promise<Readonly<Record<string, number>>> {
  const count = (backend?: string): Promise<number> =>
    rig.gateway.metric('icapgw_icap_requests_total', backend === undefined ? { service } : { service, backend });
  await expect.poll(() => count()).toBeGreaterThan(0);
  return { none: await count('none'), 'backend-0': await count('backend-0') };
}
