import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, saying } from '../_util/icap-script-backend.ts';
import { answer, blocked, HTTP_GET, HTTP_OK, options, reqmod, respmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

type Scenario = 'routed' | 'open' | 'headers' | 'plain';

let rig: Rig<Scenario>;

beforeAll(async () => {
  const routes = [
    { methods: ['REQMOD'], path: '/req', backends: ['backend-0'], 'rewrite-path': '/avscan' },
    { methods: ['RESPMOD'], path: '/resp', backends: ['backend-1'] },
  ];
  const headers = {
    set: { 'X-Gateway': 'icapgw', 'X-Replaced': 'new' },
    strip: ['Proxy-Authorization', 'X-Secret'],
    map: { 'X-Client-Username': 'X-Authenticated-User' },
    'client-ip': 'set',
  };
  rig = await startRig<Scenario>({
    routed: { backends: [{}, {}, {}], spread: true, config: { routes } },
    open: {},
    headers: { config: { headers } },
    plain: {},
  });
});

afterAll(() => rig[Symbol.asyncDispose]());

const ANY_REQ = reqmod({ path: '/req', preview: 0 });
const ANY_RESP = respmod({ path: '/resp', preview: 0 });

function counts(): number[] {
  return [0, 1, 2].map((index) => rig.backend('routed', index).exchanges.length);
}

describe('routes', () => {
  test('send each method and path to its backends, under the path they know', async () => {
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await rig.ask('routed', ANY_REQ)).status).toBe(204);
      expect((await rig.ask('routed', ANY_RESP)).status).toBe(204);
    }
    expect(counts()).toEqual([3, 3, 0]);
    const [rewritten, kept] = [rig.backend('routed', 0), rig.backend('routed', 1)];
    expect(rewritten.exchanges[0]?.headText).toMatch(
      new RegExp(`^REQMOD icap://${rewritten.address}/avscan ICAP/1\\.0\r\nHost: ${rewritten.address}\r\n`),
    );
    expect(kept.exchanges[0]?.headText.split('\r\n')[0]).toBe(`RESPMOD icap://${kept.address}/resp ICAP/1.0`);
    expect((await rig.access('routed', 6))[0]).toMatchObject({ path: '/req' });
  });

  test('keep the query and forget scheme, authority and user', async () => {
    const before = rig.backend('routed', 0).exchanges.length;
    const other = 'icaps://user:secret@other:11344/req?a=1&b=/c';
    const text = ANY_REQ.toString('latin1').replace('icap://gateway.example/req', other);
    expect((await rig.ask('routed', Buffer.from(text, 'latin1'))).status).toBe(204);
    const { headText } = await rig.backend('routed', 0).exchange(before);
    expect(headText.split('\r\n')[0]).toBe(
      `REQMOD icap://${rig.backend('routed', 0).address}/avscan?a=1&b=/c ICAP/1.0`,
    );
  });

  test('answer 404 for a path and 405 for a method that none is for', async () => {
    const before = counts();
    expect((await rig.ask('routed', reqmod({ path: '/other', preview: 0 }))).status).toBe(404);
    expect((await rig.ask('routed', respmod({ path: '/req', body: 'document' }))).status).toBe(405);
    expect((await rig.ask('routed', options('/other'))).status).toBe(404);
    expect(counts()).toEqual(before);
  });

  test('recognise a path however it is written', async () => {
    const before = rig.backend('routed', 0).exchanges.length;
    for (const path of ['/%72eq', '/x/../req', '//req', '/./req']) {
      await rig.ask('routed', reqmod({ path, preview: 0 }));
    }
    const asked = rig.backend('routed', 0).exchanges.slice(before);
    for (const { head } of asked) expect(head.uri.path).toBe('/avscan');
    expect(asked.length).toBeGreaterThan(0);
  });

  test('decide what OPTIONS says of a path', async () => {
    for (const index of [0, 1, 2]) {
      rig.backend('routed', index).optionsScript = saying('Methods: REQMOD, RESPMOD', 'ISTag: "both"');
    }
    expect((await rig.ask('routed', options('/req'))).field('methods')).toBe('REQMOD');
    expect((await rig.ask('routed', options('/resp'))).field('methods')).toBe('RESPMOD');
    for (const { head } of rig.backend('routed', 0).options) expect(['/avscan', '/']).toContain(head.uri.path);
  });

  test('are not left when their backends are gone', async () => {
    rig.backend('routed', 1).script = (exchange) => exchange.reset();
    const before = counts();
    expect((await rig.ask('routed', ANY_RESP)).status).toBe(502);
    const after = counts();
    expect([after[0], after[2]]).toEqual([before[0], before[2]]);
  });

  test('where there are none, every path reaches every backend as it is', async () => {
    for (const path of ['/', '/any/path', '/any?query']) {
      const { length } = rig.backend('open').exchanges;
      expect((await rig.ask('open', reqmod({ path, preview: 0 }))).status).toBe(204);
      const { headText } = await rig.backend('open').exchange(length);
      expect(headText.split(' ')[1]).toBe(`icap://${rig.backend('open').address}${path}`);
    }
  });
});

describe('ICAP headers', () => {
  test('go to the backend in their order, without what belongs to the connection', async () => {
    const lines = [
      'X-First: 1',
      'x-oDD-Case:  two  words ',
      'User-Agent: squid/5.7',
      'Connection: keep-alive, X-Hop',
      'Keep-Alive: 5',
      'Upgrade: TLS/1.0',
      'Allow: 204, trailers',
      'Proxy-Authorization: Basic c2VjcmV0',
      'X-First: again',
    ];
    expect((await rig.ask('plain', reqmod({ lines, body: 'document' }))).status).toBe(204);
    const { headText } = await rig.backend('plain').exchange(0);
    const { address } = rig.backend('plain');
    const [start, host, ...fields] = headText.trimEnd().split('\r\n');
    expect([start, host]).toEqual([`REQMOD icap://${address}/reqmod ICAP/1.0`, `Host: ${address}`]);
    expect(fields.filter((line) => !/^(Allow|Encapsulated):/.test(line))).toEqual([
      'X-First: 1',
      'x-oDD-Case: two  words',
      'User-Agent: squid/5.7',
      'Proxy-Authorization: Basic c2VjcmV0',
      'X-First: again',
    ]);
    expect(fields.filter((line) => line.startsWith('Allow:'))).toEqual(['Allow: 204']);
    expect(fields.at(-1)).toMatch(/^Encapsulated: req-hdr=0, req-body=\d+$/);
  });

  test('come back to the client in their order, without what belongs to the connection', async () => {
    const lines = [
      'X-First: 1',
      'Server: engine',
      'Keep-Alive: 5',
      'Upgrade: TLS/1.0',
      'x-vIrus-ID: none',
      'X-First: 2',
    ];
    rig.backend('plain').script = answering(blocked('no', [...lines, 'Transfer-Encoding: chunked']));
    const page = await rig.ask('plain', reqmod({ body: 'document' }));
    const names = ['encapsulated', 'istag', 'date'];
    expect(page.fields.filter(({ key }) => !names.includes(key)).map(({ name, value }) => `${name}: ${value}`)).toEqual(
      ['X-First: 1', 'Server: engine', 'x-vIrus-ID: none', 'X-First: 2'],
    );
  });

  test('are folded no longer where a server folds them', async () => {
    const folded = 'X-Violations-Found: 1\r\n\tfile.exe\r\n\tEICAR\r\n\t0\r\n\t2';
    rig.backend('plain').script = answering(blocked('no', [folded]));
    await using client = await rig.connect('plain');
    const page = await client.ask(reqmod({ body: 'document' }));
    expect(page.field('x-violations-found')?.split(/\s+/)).toEqual(['1', 'file.exe', 'EICAR', '0', '2']);
    expect(client.received.toString('latin1')).not.toMatch(/\r\n[ \t]/);
  });

  test('are set, stripped, renamed and told the client’s address as configured', async () => {
    const lines = [
      'X-Client-IP: 192.0.2.1',
      'X-Replaced: old',
      'X-Secret: s',
      'X-Client-Username: DOM\\alice',
      'X-Kept: k',
    ];
    const request = reqmod({ lines: [...lines, 'Proxy-Authorization: Basic c2VjcmV0'], preview: 0 });
    expect((await rig.ask('headers', request)).status).toBe(204);
    const exchange = await rig.backend('headers').exchange(0);
    const values = exchange.head.fields.filter(({ key }) => key.startsWith('x-') || key.startsWith('proxy-'));
    expect(Object.fromEntries(values.map(({ key, value }) => [key, value]))).toEqual({
      'x-client-ip': '127.0.0.1',
      'x-replaced': 'new',
      'x-gateway': 'icapgw',
      'x-kept': 'k',
      'x-authenticated-user': Buffer.from('WinNT://DOM/alice').toString('base64'),
    });
    expect(values).toHaveLength(5);
  });
});

test('HTTP header blocks pass byte for byte, whatever is in them', async () => {
  const odd = `${HTTP_GET.slice(0, -2)}X-Folded: a\r\n b\r\nNo colon here\r\nX-\xff: \x01\r\n\r\n`;
  rig.backend('open').script = answering(answer(200, [], { 'res-hdr': odd, body: 'page' }));
  const page = await rig.ask('open', respmod({ 'req-hdr': odd, 'res-hdr': `${HTTP_OK}`, body: 'document' }));
  expect([page.status, page.section('res-hdr')]).toEqual([200, odd]);
  expect(rig.backend('open').exchanges.at(-1)?.section('req-hdr')).toBe(odd);
});
