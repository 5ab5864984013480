import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Answer } from '../_util/icap-script-client.ts';
import { chunk, HTTP_GET, HTTP_OK, HTTP_POST, reqmod, respmod, rest } from '../_util/icap-script-message.ts';
import { REFUSED_ADDRESS, type Rig, startRig } from '../_util/icap-script-rig.ts';

type Scenario = 'nobody' | 'after-100' | 'gone';

const BIG = Buffer.alloc(4 * 1024 * 1024, 'a document that is long ');

let rig: Rig<Scenario>;

beforeAll(async () => {
  const config = { 'when-down': 'bypass' };
  rig = await startRig<Scenario>({
    nobody: { backends: [{ address: REFUSED_ADDRESS }], config },
    'after-100': { config },
    gone: { config: { ...config, retain: '1KiB' } },
  });
});

afterAll(() => rig[Symbol.asyncDispose]());

interface Row {
  readonly name: string;
  readonly request: Buffer;
  readonly status: number;
  /** Only of a 200. */
  readonly encapsulated?: string;
  readonly block?: string;
  readonly body?: string;
}

const ROWS: readonly Row[] = [
  { name: 'a preview that is the whole body', request: reqmod({ preview: 64, body: 'document' }), status: 204 },
  { name: 'a preview with more to come', request: reqmod({ preview: 4, body: 'document' }), status: 204 },
  { name: 'a preview of nothing', request: respmod({ preview: 0, body: 'document' }), status: 204 },
  { name: 'a preview without a body', request: reqmod({ preview: 0, 'req-hdr': HTTP_GET }), status: 204 },
  { name: 'Allow: 204', request: reqmod({ lines: ['Allow: 204'], body: 'document' }), status: 204 },
  { name: 'Allow: 204 without a body', request: respmod({ lines: ['Allow: 204, trailers'] }), status: 204 },
  {
    name: 'neither, a REQMOD',
    request: reqmod({ body: 'document' }),
    status: 200,
    encapsulated: `req-hdr=0, req-body=${HTTP_POST.length}`,
    block: HTTP_POST,
    body: 'document',
  },
  {
    name: 'neither, a REQMOD without a body',
    request: reqmod({ 'req-hdr': HTTP_GET }),
    status: 200,
    encapsulated: `req-hdr=0, null-body=${HTTP_GET.length}`,
    block: HTTP_GET,
  },
  {
    name: 'neither, a RESPMOD, of which the request is left out',
    request: respmod({ body: 'document' }),
    status: 200,
    encapsulated: `res-hdr=0, res-body=${HTTP_OK.length}`,
    block: HTTP_OK,
    body: 'document',
  },
  {
    name: 'neither, a RESPMOD without a body',
    request: respmod(),
    status: 200,
    encapsulated: `res-hdr=0, null-body=${HTTP_OK.length}`,
    block: HTTP_OK,
  },
  {
    name: 'neither, an empty body, which stays a body',
    request: reqmod({ body: '' }),
    status: 200,
    encapsulated: `req-hdr=0, req-body=${HTTP_POST.length}`,
    block: HTTP_POST,
    body: '',
  },
  {
    name: 'neither, a body without any header',
    request: Buffer.from(
      'RESPMOD icap://h/r ICAP/1.0\r\nHost: h\r\nEncapsulated: res-body=0\r\n\r\n2\r\nxy\r\n0\r\n\r\n',
    ),
    status: 200,
    encapsulated: 'res-body=0',
    body: 'xy',
  },
];

describe('when-down: bypass lets the document through with what the client permits', () => {
  test.each(ROWS)('$name: $status', async ({ request, status, encapsulated, block, body = '' }) => {
    await using client = await rig.connect('nobody');
    // Twice on one connection: what is left of the first would be taken for the second.
    for (let turn = 0; turn < 2; turn += 1) {
      const answer = await client.ask(request);
      expect(answer.status).toBe(status);
      expect(answer.field('istag')).toMatch(/^".+"$/);
      expect(answer.field('encapsulated')).toBe(encapsulated ?? 'null-body=0');
      expect(answer.section('req-hdr') ?? answer.section('res-hdr')).toBe(block);
      expect(answer.body.toString()).toBe(body);
      if (answer.head.close) return expect(await client.gone).toBe('fin');
    }
  });

  test('a 204 to a body that is still on its way waits for its end, or closes', async () => {
    await using client = await rig.connect('nobody');
    const request = reqmod({ lines: ['Allow: 204'], body: '' }).subarray(0, -5);
    await client.send(request, chunk('one '));
    const later = client.answer();
    await client.send(...Array.from({ length: 20 }, () => chunk(Buffer.alloc(60_000, 'x'))), '0\r\n\r\n');
    const { status, head } = await later;
    expect(status).toBe(204);
    if (!head.close) expect((await client.ask(reqmod({ preview: 0 }))).status).toBe(204);
  });

  test('a body of any size goes back while it comes in', async () => {
    await using client = await rig.connect('nobody');
    const request = reqmod({ body: '' }).subarray(0, -5);
    await client.send(request, chunk('first'));
    const begun = await client.beginAnswer();
    expect([begun.status, begun.section('req-hdr')]).toEqual([200, HTTP_POST]);
    const sent = client.send(chunk(BIG), chunk(BIG), '0\r\n\r\n');
    const { body } = await client.answer();
    await sent;
    expect(body.equals(Buffer.concat([Buffer.from('first'), BIG, BIG]))).toBe(true);
  });

  test('it is counted and logged', async () => {
    expect((await rig.ask('nobody', reqmod({ preview: 0 }))).status).toBe(204);
    const lines = await rig.access('nobody', 1);
    for (const line of lines) expect(line).toMatchObject({ verdict: 'bypassed', backend: null });
    const labels = { service: 'nobody', method: 'REQMOD', verdict: 'bypassed' };
    await expect.poll(() => rig.gateway.metric('icapgw_icap_verdicts_total', labels)).toBeGreaterThan(0);
    const rule = { service: 'nobody', rule: 'when-down' };
    expect(await rig.gateway.metric('icapgw_icap_bypassed_total', rule)).toBeGreaterThan(0);
    await rig.gateway.waitForEvent('icap-policy', ({ service, policy }) => service === 'nobody' && policy === 'bypass');
  });
});

describe('when the last backend is lost on the way', () => {
  async function lose(lines: readonly string[]): Promise<Answer> {
    const body = 'the whole document';
    rig.backend('after-100').script = async (exchange) => {
      await exchange.body();
      exchange.reset();
    };
    await using client = await rig.connect('after-100');
    expect((await client.ask(respmod({ lines, preview: 4, body }))).status).toBe(100);
    await client.send(rest(body, 4));
    return await client.answer('RESPMOD');
  }

  test('after 100 the client gets a 204 where it allows one, else all it sent', async () => {
    expect((await lose(['Allow: 204'])).status).toBe(204);
    const same = await lose([]);
    expect([same.status, same.section('res-hdr'), same.body.toString()]).toEqual([200, HTTP_OK, 'the whole document']);
    expect(same.section('req-hdr')).toBeUndefined();
  });

  test('and the document is no longer kept, nothing can be let through', async () => {
    rig.backend('gone').script = async (exchange) => {
      await exchange.body();
      exchange.reset();
    };
    await using client = await rig.connect('gone');
    const failed = await client.ask(reqmod({ body: BIG.subarray(0, 100_000) }));
    expect(failed.status).toBeGreaterThanOrEqual(500);
    expect(failed.field('encapsulated')).toBe('null-body=0');
    // Where a 204 is permitted nothing has to be kept for it.
    const spared = await rig.ask('gone', reqmod({ lines: ['Allow: 204'], body: BIG.subarray(0, 100_000) }));
    expect(spared.status).toBe(204);
  });
});
