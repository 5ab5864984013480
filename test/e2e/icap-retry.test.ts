import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTunnelBackend, type TunnelBackend } from '../_util/e2e-tunnel.ts';
import { answering, type ExchangeScript, unmodified } from '../_util/icap-script-backend.ts';
import { answer, HTTP_GET, reqmod } from '../_util/icap-script-message.ts';
import { REFUSED_ADDRESS, type Rig, startRig } from '../_util/icap-script-rig.ts';

const REQUEST = reqmod({ lines: ['Allow: 204'], body: 'document' });
const IN_PREVIEW = reqmod({ preview: 4, body: 'document' });
const NO_BODY = reqmod({ preview: 0, 'req-hdr': HTTP_GET });

const NOT_ICAP = 'HTTP/1.1 200 OK\r\n\r\n';
const NO_ENCAPSULATED = answer(200);
const WRONG_PART = 'ICAP/1.0 200 OK\r\nEncapsulated: opt-body=0\r\n\r\n0\r\n\r\n';
const HALF_A_HEAD = 'ICAP/1.0 204 Unmo';

/** How the first backend fails each request, and how the retry is accounted. */
const FAILURES: Readonly<Record<string, { readonly script: ExchangeScript; readonly reason: string }>> = {
  'a FIN before any byte': { script: (exchange) => exchange.end(), reason: 'closed' },
  'a reset before any byte': { script: (exchange) => exchange.reset(), reason: 'closed' },
  'a FIN after the whole request': { script: answeringThen('', 'end'), reason: 'closed' },
  'a FIN inside the ICAP head': { script: (exchange) => exchange.end(HALF_A_HEAD), reason: 'closed' },
  'an answer that is not ICAP': { script: answeringThen(NOT_ICAP, 'stall'), reason: 'malformed' },
  'a 200 without Encapsulated': { script: answeringThen(NO_ENCAPSULATED, 'stall'), reason: 'malformed' },
  'a 200 with a part that does not belong there': { script: answeringThen(WRONG_PART, 'stall'), reason: 'malformed' },
  'a 404': { script: answering(answer(404)), reason: 'path' },
  'a 405': { script: answering(answer(405)), reason: 'path' },
  'a 503': { script: answering(answer(503)), reason: 'saturated' },
  'a 500': { script: answering(answer(500)), reason: '5xx' },
  'a 502': { script: answering(answer(502)), reason: '5xx' },
  'a 539': { script: answering(answer(539)), reason: '5xx' },
};

/** Answers that another backend would give as well. */
const FINAL = [400, 403, 407, 411, 418, 501, 505];

type Scenario =
  | 'refused'
  | 'tls'
  | 'stale'
  | 'idle-408'
  | 'final'
  | 'preview'
  | 'timeout'
  | 'five'
  | 'never'
  | 'connect'
  | 'plain';

let rig: Rig<string>;
let noTls: TunnelBackend;

beforeAll(async () => {
  noTls = await startTunnelBackend();
  const two = { backends: [{}, {}], config: { retry: '5xx' } };
  const named: Readonly<Record<Scenario, object>> = {
    refused: { backends: [{ address: REFUSED_ADDRESS }, {}] },
    tls: { backends: [{ address: noTls.address, tls: { verify: false } }, {}] },
    stale: two,
    'idle-408': two,
    final: two,
    preview: two,
    timeout: { ...two, config: { timeouts: { response: '300ms' } } },
    five: { backends: [{}, {}, {}], config: { retry: '5xx' } },
    never: { ...two, config: { retry: 'never' } },
    connect: { backends: [{ address: REFUSED_ADDRESS }, {}, {}], config: { retry: 'connect' } },
    plain: { ...two, config: {} },
  };
  const rows = Object.fromEntries(Object.keys(FAILURES).map((name) => [name, two]));
  rig = await startRig({ ...named, ...rows });
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await noTls[Symbol.asyncDispose]();
});

describe('tried again on another backend', () => {
  test.each(Object.entries(FAILURES))('after %s', async (name, { script, reason }) => {
    rig.backend(name).script = script;
    await using client = await rig.connect(name);
    expect((await client.ask(REQUEST)).status).toBe(204);
    const [first] = rig.backend(name, 0).exchanges;
    const [second] = rig.backend(name, 1).exchanges;
    expect(rig.backend(name, 0).exchanges).toHaveLength(1);
    expect(second?.received.toString()).toBe('document');
    expect(withoutAuthority(second?.headText)).toBe(withoutAuthority(first?.headText));
    const [line] = await rig.access(name, 1);
    expect(line).toMatchObject({ backend: 'backend-1', status: 204, attempt: 2, retryReason: reason });
    await expect.poll(() => rig.gateway.metric('icapgw_icap_retries_total', { service: name, reason })).toBe(1);
    expect((await client.ask(REQUEST)).status).toBe(204);
  });

  test.each(['refused', 'tls'])('when nothing could be sent: %s', async (name) => {
    expect((await rig.ask(name, REQUEST)).status).toBe(204);
    const [line] = await rig.access(name, 1);
    expect(line).toMatchObject({ backend: 'backend-1', attempt: 2, retryReason: 'connect' });
  });

  test('when the preview is not answered in time', async () => {
    rig.backend('timeout').script = (exchange) => exchange.stall();
    expect((await rig.ask('timeout', IN_PREVIEW)).status).toBe(204);
    expect(await rig.access('timeout', 1)).toMatchObject([{ attempt: 2, retryReason: 'timeout', preview: 4 }]);
  });

  test('in the preview, with the same preview and the same end of it', async () => {
    const [first, second] = [rig.backend('preview', 0), rig.backend('preview', 1)];
    first.script = async (exchange) => {
      await exchange.arrived();
      exchange.reset();
    };
    for (const [index, request] of [IN_PREVIEW, NO_BODY, reqmod({ preview: 8, body: 'document' })].entries()) {
      second.script = unmodified;
      expect((await rig.ask('preview', request)).status).toBe(204);
      const [failed, served] = [await first.exchange(index), await second.exchange(index)];
      expect(served.head.preview).toBe(failed.head.preview);
      expect(served.endings).toEqual(failed.endings);
      expect(served.received).toEqual(failed.received);
    }
  });

  test('only once after errors of the server itself', async () => {
    for (const index of [0, 1, 2]) rig.backend('five', index).script = answering(answer(500));
    const { status } = await rig.ask('five', REQUEST);
    expect(status).toBeGreaterThanOrEqual(500);
    expect([0, 1, 2].map((index) => rig.backend('five', index).exchanges.length)).toEqual([1, 1, 0]);
  });
});

describe('tried again on the same backend, without anybody noticing', () => {
  test('when a reused connection ends before any byte', async () => {
    const backend = rig.backend('stale');
    for (const end of ['end', 'reset'] as const) {
      backend.script = (exchange) => (exchange.turn === 0 ? unmodified(exchange) : exchange[end]());
      expect((await rig.ask('stale', REQUEST)).status).toBe(204);
      expect((await rig.ask('stale', REQUEST)).status).toBe(204);
      await backend.connections.at(-1)?.socket.end();
    }
    expect(rig.backend('stale', 1).exchanges).toHaveLength(0);
    expect(backend.exchanges.map(({ turn }) => turn).filter((turn) => turn === 1).length).toBeGreaterThan(0);
    expect((await rig.access('stale', 4)).every(({ status }) => status === 204)).toBe(true);
    expect(
      await rig.gateway.metric('icapgw_icap_retries_total', { service: 'stale', reason: 'stale' }),
    ).toBeGreaterThan(0);
  });

  test('when a reused connection is answered 408', async () => {
    const backend = rig.backend('idle-408');
    backend.script = (exchange) => (exchange.turn === 0 ? unmodified(exchange) : exchange.end(answer(408)));
    expect((await rig.ask('idle-408', REQUEST)).status).toBe(204);
    expect((await rig.ask('idle-408', REQUEST)).status).toBe(204);
    expect(backend.connections).toHaveLength(2);
    expect(rig.backend('idle-408', 1).exchanges).toHaveLength(0);
  });
});

describe('not tried again', () => {
  test.each(FINAL)('a %i is passed on', async (status) => {
    const [first, second] = [rig.backend('final', 0), rig.backend('final', 1)];
    first.script = answering(answer(status));
    const passed = await rig.ask('final', REQUEST);
    expect([passed.status, passed.field('x-any')]).toEqual([status, undefined]);
    expect(second.exchanges).toHaveLength(0);
  });

  test('when the whole request was sent and no answer came in time: the scan may be running', async () => {
    const [first, second] = [rig.backend('timeout', 0), rig.backend('timeout', 1)];
    const [before, served] = [first.exchanges.length, second.exchanges.length];
    first.script = (exchange) => exchange.stall();
    expect((await rig.ask('timeout', REQUEST)).status).toBeGreaterThanOrEqual(500);
    expect([first.exchanges.length, second.exchanges.length]).toEqual([before + 1, served]);
    expect(await (await first.exchange(before)).connection.gone).toBeDefined();
  });

  test('with retry: never', async () => {
    rig.backend('never').script = (exchange) => exchange.reset();
    expect((await rig.ask('never', REQUEST)).status).toBe(502);
    expect(rig.backend('never', 1).exchanges).toHaveLength(0);
    expect(await rig.access('never', 1)).toMatchObject([{ status: 502, attempt: 1, verdict: 'error' }]);
  });

  test('with retry: connect once something was sent', async () => {
    rig.backend('connect').script = (exchange) => exchange.reset();
    expect((await rig.ask('connect', REQUEST)).status).toBe(502);
    expect([0, 1].map((index) => rig.backend('connect', index).exchanges.length)).toEqual([1, 0]);
  });

  test('with retry: pre-response after a 500, which is an answer', async () => {
    rig.backend('plain').script = answering(answer(500));
    expect((await rig.ask('plain', REQUEST)).status).toBeGreaterThanOrEqual(500);
    expect(rig.backend('plain', 1).exchanges).toHaveLength(0);
  });
});

/** Reads the whole request, sends these bytes and finishes, or stays. */
function answeringThen(bytes: string | Buffer, then: 'end' | 'stall'): ExchangeScript {
  return async (exchange) => {
    await exchange.body();
    exchange.send(bytes);
    if (then === 'end') exchange.end();
    else await exchange.stall();
  };
}

/** URI and Host name the backend, so they differ. */
function withoutAuthority(headText: string | undefined): string | undefined {
  return headText?.replaceAll(/127\.0\.0\.1:\d+/g, 'BACKEND');
}
