import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chunk, HTTP_POST, reqmod, respmod } from '../_util/icap-script-message.ts';
import { REFUSED_ADDRESS, type Rig, startRig } from '../_util/icap-script-rig.ts';

type Scenario =
  | 'block'
  | 'own-page'
  | 'error'
  | 'down-error'
  | 'reset'
  | 'late-bypass'
  | 'late-block'
  | 'slow'
  | 'large-block'
  | 'large-bypass'
  | 'large-error';

const PAGE = '<p>{{service}} says: {{reason}}</p>';
const BIG = 'x'.repeat(5000);

let rig: Rig<Scenario>;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'icapgw-page-'));
  const page = join(folder, 'page.html');
  writeFileSync(page, PAGE);
  const nobody = [{ address: REFUSED_ADDRESS }];
  const health = { type: 'icap', path: '/reqmod', interval: '100ms', timeout: '1s', rise: 1, fall: 1 };
  const late = { timeouts: { response: '250ms', 'body-idle': '250ms' } };
  const large = { limits: { body: '4KiB' } };
  rig = await startRig<Scenario>({
    block: { backends: nobody, config: { 'when-down': 'block' } },
    'own-page': { backends: nobody, config: { 'when-down': 'block', 'block-page': page } },
    error: { backends: nobody },
    'down-error': { backends: nobody, config: { health } },
    reset: { backends: nobody, config: { 'when-down': 'reset' } },
    'late-bypass': { config: { ...late, 'on-timeout': 'bypass' } },
    'late-block': { config: { ...late, 'on-timeout': 'block' } },
    slow: { config: { ...late, timeouts: { response: '30s', 'body-idle': '250ms' } } },
    'large-block': { config: { ...large, 'on-oversize': 'block' } },
    'large-bypass': { config: { ...large, 'on-oversize': 'bypass' } },
    'large-error': { config: large },
  });
  for (const name of ['late-bypass', 'late-block'] as const) {
    rig.backend(name).script = (exchange) => exchange.stall();
  }
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const REQUESTS = [
  { name: 'a REQMOD without Allow: 204', request: reqmod({ body: 'document' }) },
  { name: 'a RESPMOD without a body', request: respmod() },
  { name: 'a preview with more to come', request: respmod({ preview: 4, body: 'document' }) },
];

describe('when-down: block', () => {
  test.each(REQUESTS)('answers $name with an HTTP 403 page', async ({ request }) => {
    const page = await rig.ask('block', request);
    expect(page.status).toBe(200);
    const header = page.section('res-hdr') ?? '';
    expect(header).toMatch(/^HTTP\/1\.1 403 /);
    expect(page.section('req-hdr')).toBeUndefined();
    expect(page.field('encapsulated')).toBe(`res-hdr=0, res-body=${header.length}`);
    expect(page.body.toString()).toContain('<html');
    expect(Number(/content-length: (\d+)/i.exec(header)?.[1] ?? page.body.length)).toBe(page.body.length);
  });

  test('shows a page of one’s own, and logs it', async () => {
    const page = await rig.ask('own-page', reqmod({ preview: 0 }));
    expect(page.body.toString()).toMatch(/^<p>own-page says: [^<>{}]+<\/p>$/);
    expect(await rig.access('own-page', 1)).toMatchObject([{ status: 200, httpStatus: 403, backend: null }]);
    await rig.gateway.waitForEvent(
      'icap-policy',
      ({ service, policy }) => service === 'own-page' && policy === 'block',
    );
  });
});

describe('when-down: error', () => {
  test.each(REQUESTS)('answers $name with an ICAP error', async ({ request }) => {
    await using client = await rig.connect('error');
    const failed = await client.ask(request);
    expect([502, 503]).toContain(failed.status);
    expect(failed.field('encapsulated')).toBe('null-body=0');
    expect(failed.field('istag')).toMatch(/^".+"$/);
    if (failed.head.close) expect(await client.gone).toBe('fin');
    else expect((await client.ask(request)).status).toBe(failed.status);
  });

  test('says close where the rest of the request is still to come', async () => {
    await using client = await rig.connect('error');
    await client.send(reqmod({ body: '' }).subarray(0, -5), chunk('some'));
    const failed = await client.answer();
    await client.send(chunk('more'));
    if (failed.head.close) expect(await client.gone).toBe('fin');
    else await client.send('0\r\n\r\n');
    expect([502, 503]).toContain(failed.status);
  });

  test('is a 503 while all backends are known to be down', async () => {
    await rig.gateway.waitForEvent('backend-state', ({ service, to }) => service === 'down-error' && to === 'down');
    expect([502, 503]).toContain((await rig.ask('down-error', reqmod({ preview: 0 }))).status);
    expect((await rig.access('down-error', 1))[0]).toMatchObject({ verdict: 'error' });
  });
});

test('when-down: reset cuts the connection', async () => {
  for (const { request } of REQUESTS) {
    await using client = await rig.connect('reset');
    await expect(client.ask(request)).rejects.toThrow('without an answer');
    expect(await client.gone).toBe('reset');
  }
  const labels = { service: 'reset', reason: 'policy' };
  await expect.poll(() => rig.gateway.metric('icapgw_connections_closed_total', labels)).toBe(REQUESTS.length);
});

describe('on-timeout', () => {
  test('bypass lets the document through once the backend is too late', async () => {
    expect((await rig.ask('late-bypass', reqmod({ lines: ['Allow: 204'], body: 'document' }))).status).toBe(204);
    const same = await rig.ask('late-bypass', reqmod({ body: 'document' }));
    expect([same.status, same.section('req-hdr'), same.body.toString()]).toEqual([200, HTTP_POST, 'document']);
    expect((await rig.access('late-bypass', 2)).map(({ verdict }) => verdict)).toEqual(['bypassed', 'bypassed']);
    const labels = { service: 'late-bypass', rule: 'on-timeout' };
    await expect.poll(() => rig.gateway.metric('icapgw_icap_bypassed_total', labels)).toBe(2);
  });

  test('block answers with a page', async () => {
    const page = await rig.ask('late-block', reqmod({ preview: 64, body: 'document' }));
    expect([page.status, page.section('res-hdr')?.slice(0, 12)]).toEqual([200, 'HTTP/1.1 403']);
  });

  test('an answer that stops in the middle is given up', async () => {
    rig.backend('slow').script = async (exchange) => {
      await exchange.body();
      exchange.send(
        'ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n5\r\nfirst\r\n',
      );
      await exchange.stall();
    };
    await using client = await rig.connect('slow');
    await expect(client.ask(reqmod({ body: 'document' }))).rejects.toThrow('inside an answer');
    expect(client.received.toString()).not.toContain('\r\n0\r\n');
    expect((await rig.access('slow', 1))[0]).toMatchObject({ verdict: 'aborted' });
  });
});

describe('on-oversize', () => {
  test('a body at the limit is served, one above it gets the policy', async () => {
    for (const name of ['large-block', 'large-bypass', 'large-error'] as const) {
      expect((await rig.ask(name, reqmod({ lines: ['Allow: 204'], body: 'x'.repeat(4096) }))).status).toBe(204);
    }
    const page = await rig.ask('large-block', reqmod({ body: BIG }));
    expect([page.status, page.section('res-hdr')?.slice(0, 12)]).toEqual([200, 'HTTP/1.1 403']);
    expect((await rig.ask('large-bypass', reqmod({ lines: ['Allow: 204'], body: BIG }))).status).toBe(204);
    const same = await rig.ask('large-bypass', respmod({ body: BIG }));
    expect([same.status, same.body.toString()]).toEqual([200, BIG]);
    expect((await rig.ask('large-error', reqmod({ body: BIG }))).status).toBeGreaterThanOrEqual(400);
    const labels = { service: 'large-bypass', rule: 'on-oversize' };
    await expect.poll(() => rig.gateway.metric('icapgw_icap_bypassed_total', labels)).toBe(2);
    for (const { isComplete, received } of rig.backend('large-block').exchanges.slice(1)) {
      expect([isComplete, received.length <= 4096]).toEqual([false, true]);
    }
  });
});
