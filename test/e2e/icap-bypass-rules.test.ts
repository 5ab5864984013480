import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unmodified } from '../_util/icap-script-backend.ts';
import { reqmod, respmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

type Scenario = 'types' | 'files' | 'names' | 'urls';

/** Enough of a picture to be known as one. */
const PNG = Buffer.concat([
  Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489', 'hex'),
  Buffer.from('0000000a49444154789c6300010000050001', 'hex'),
  Buffer.alloc(200, 7),
]);

let rig: Rig<Scenario>;

beforeAll(async () => {
  rig = await startRig<Scenario>({
    types: { config: { bypass: { 'content-types': ['image/*', 'application/x-safe'] } } },
    files: { config: { bypass: { 'file-types': ['png'] } } },
    names: { config: { bypass: { extensions: ['css', 'mp4'] } } },
    urls: { config: { bypass: { 'url-only-respmod': true } } },
  });
});

afterAll(() => rig[Symbol.asyncDispose]());

function page(type: string, more = ''): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n${more}\r\n`;
}

function get(path: string): string {
  return `GET http://www.example${path} HTTP/1.1\r\nHost: www.example\r\n\r\n`;
}

function post(type: string): string {
  return `POST http://www.example/up HTTP/1.1\r\nHost: www.example\r\nContent-Type: ${type}\r\n\r\n`;
}

interface Row {
  readonly service: Scenario;
  readonly name: string;
  readonly request: Buffer;
}

const allow = { lines: ['Allow: 204'], body: 'document' } as const;
const preview = { preview: 1024, body: 'document' } as const;

const BYPASSED: readonly (Row & { readonly rule: string })[] = [
  {
    service: 'types',
    name: 'a picture',
    rule: 'content-type',
    request: respmod({ ...allow, 'res-hdr': page('image/PNG') }),
  },
  {
    service: 'types',
    name: 'a type with parameters',
    rule: 'content-type',
    request: respmod({ ...preview, 'res-hdr': page('application/x-safe; charset=utf-8') }),
  },
  {
    service: 'types',
    name: 'an upload',
    rule: 'content-type',
    request: reqmod({ ...allow, 'req-hdr': post('image/gif') }),
  },
  {
    service: 'files',
    name: 'a picture in a preview',
    rule: 'file-type',
    request: respmod({ preview: 100, body: PNG }),
  },
  {
    service: 'files',
    name: 'a picture without a preview',
    rule: 'file-type',
    request: respmod({ lines: ['Allow: 204'], body: PNG }),
  },
  {
    service: 'names',
    name: 'a style sheet',
    rule: 'extension',
    request: respmod({ ...allow, 'req-hdr': get('/a.CSS?v=1') }),
  },
  { service: 'names', name: 'a film', rule: 'extension', request: reqmod({ preview: 0, 'req-hdr': get('/film.mp4') }) },
  { service: 'urls', name: 'an answer without a body', rule: 'url-only', request: respmod({ preview: 0 }) },
];

const JUDGED: readonly Row[] = [
  { service: 'types', name: 'a text', request: respmod({ ...allow, 'res-hdr': page('text/html') }) },
  {
    service: 'types',
    name: 'a text asked for by a picture',
    request: respmod({ ...allow, 'req-hdr': post('image/png') }),
  },
  { service: 'types', name: 'a message without a type', request: reqmod({ ...allow, 'req-hdr': get('/') }) },
  {
    service: 'files',
    name: 'a text that is called a picture',
    request: respmod({ ...preview, 'res-hdr': page('image/png') }),
  },
  { service: 'files', name: 'an empty body', request: respmod({ lines: ['Allow: 204'], body: '' }) },
  { service: 'files', name: 'no body', request: respmod({ preview: 0 }) },
  { service: 'names', name: 'another file', request: respmod({ ...allow, 'req-hdr': get('/a.exe?x=.css') }) },
  {
    service: 'names',
    name: 'a file that is saved under another name',
    request: respmod({
      ...allow,
      'req-hdr': get('/a.css'),
      'res-hdr': page('text/css', 'Content-Disposition: attachment; filename="a.exe"\r\n'),
    }),
  },
  { service: 'urls', name: 'an answer with a body', request: respmod(allow) },
  { service: 'urls', name: 'a request without a body', request: reqmod({ preview: 0 }) },
];

describe('what a rule lets pass never reaches a backend', () => {
  test.each(BYPASSED)('$service: $name', async ({ service, rule, request }) => {
    const before = rig.backend(service).exchanges.length;
    const counted = await rig.gateway.metric('icapgw_icap_bypassed_total', { service, rule });
    await using client = await rig.connect(service);
    expect((await client.ask(request)).status).toBe(204);
    expect((await client.ask(request)).status).toBe(204);
    expect(rig.backend(service).exchanges).toHaveLength(before);
    await expect.poll(() => rig.gateway.metric('icapgw_icap_bypassed_total', { service, rule })).toBe(counted + 2);
  });

  test('and comes back whole where the client permits no 204', async () => {
    const same = await rig.ask('files', respmod({ body: PNG }));
    expect([same.status, same.body.equals(PNG)]).toEqual([200, true]);
    const header = page('image/png');
    const other = await rig.ask('types', respmod({ 'res-hdr': header, body: 'document' }));
    expect([other.status, other.section('res-hdr'), other.body.toString()]).toEqual([200, header, 'document']);
    const lines = await rig.access('types', 1);
    for (const line of lines) expect(line).toMatchObject({ verdict: 'bypassed', backend: null });
  });
});

describe('everything else does', () => {
  test.each(JUDGED)('$service: $name', async ({ service, request }) => {
    const before = rig.backend(service).exchanges.length;
    rig.backend(service).script = unmodified;
    expect((await rig.ask(service, request)).status).toBe(204);
    expect(rig.backend(service).exchanges).toHaveLength(before + 1);
  });

  test('whole, after its beginning was looked at', async () => {
    const { length } = rig.backend('files').exchanges;
    const body = Buffer.alloc(50_000, 'no picture ');
    expect((await rig.ask('files', respmod({ lines: ['Allow: 204'], body }))).status).toBe(204);
    const exchange = await rig.backend('files').exchange(length);
    expect(exchange.received.equals(body)).toBe(true);
  });
});
