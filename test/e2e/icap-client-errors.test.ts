import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chunk, chunked, HTTP_GET, HTTP_POST, options, reqmod } from '../_util/icap-script-message.ts';
import { type Rig, startRig } from '../_util/icap-script-rig.ts';

type Scenario = 'heads' | 'bodies' | 'methods' | 'framing' | 'strange';

let rig: Rig<Scenario>;

beforeAll(async () => {
  rig = await startRig<Scenario>({ heads: {}, bodies: {}, methods: {}, framing: {}, strange: {} });
});

afterAll(() => rig[Symbol.asyncDispose]());

/** A REQMOD head with these lines behind Host; every one is followed by a request that must not be looked at. */
function head(...lines: readonly string[]): string {
  return `REQMOD icap://h/reqmod ICAP/1.0\r\nHost: h\r\n${lines.join('\r\n')}\r\n\r\n`;
}

const GET = `req-hdr=0, null-body=${HTTP_GET.length}`;
const POST = `req-hdr=0, req-body=${HTTP_POST.length}`;
const FITTING = `Encapsulated: ${GET}`;

const BAD_HEADS: Readonly<Record<string, string>> = {
  'bare line feeds': head(FITTING).replaceAll('\r\n', '\n'),
  'one bare line feed': `${head('X-A: 1\nX-B: 2', FITTING)}${HTTP_GET}`,
  'a bare carriage return': `${head('X-A: 1\rX-B: 2', FITTING)}${HTTP_GET}`,
  'a NUL': `${head('X-A: 1\0', FITTING)}${HTTP_GET}`,
  'another control character': `${head('X-A: \x07', FITTING)}${HTTP_GET}`,
  'a folded line': `${head('X-A: 1', ' 2', FITTING)}${HTTP_GET}`,
  'a blank before the colon': `${head('X-A : 1', FITTING)}${HTTP_GET}`,
  'no name': `${head(': 1', FITTING)}${HTTP_GET}`,
  'a name that is no token': `${head('X(A): 1', FITTING)}${HTTP_GET}`,
  'a line without colon': `${head('X-A', FITTING)}${HTTP_GET}`,
  'no Encapsulated': head('X-A: 1'),
  'two Encapsulated': `${head(FITTING, FITTING)}${HTTP_GET}`,
  'two Host': `${head('Host: other', FITTING)}${HTTP_GET}`,
  'two Preview': `${head('Preview: 0', 'Preview: 0', FITTING)}${HTTP_GET}`,
  'a Preview that is no number': `${head('Preview: -1', FITTING)}${HTTP_GET}`,
  'an unknown part': head('Encapsulated: junk=0, null-body=10'),
  'a first part not at 0': `${head(`Encapsulated: req-hdr=1, null-body=${HTTP_GET.length}`)}${HTTP_GET}`,
  'parts that do not ascend': head('Encapsulated: req-hdr=0, null-body=0'),
  'a part twice': head('Encapsulated: req-hdr=0, req-hdr=10, null-body=20'),
  'two bodies': head('Encapsulated: req-hdr=0, req-body=10, null-body=20'),
  'a body before a header': head('Encapsulated: req-body=0, req-hdr=10'),
  'a part of the other method': head('Encapsulated: res-hdr=0, res-body=20'),
  'an offset of eleven digits': head('Encapsulated: req-hdr=0, null-body=00000000010'),
  'a signed offset': head('Encapsulated: req-hdr=0, null-body=+10'),
  'a hexadecimal offset': head('Encapsulated: req-hdr=0, null-body=0x10'),
  'a header block without its blank line': `${head(FITTING)}${'x'.repeat(HTTP_GET.length)}`,
  'a header block that ends too early': `${head(`Encapsulated: req-hdr=0, null-body=${HTTP_GET.length * 2}`)}${HTTP_GET}${HTTP_GET}`,
  'a header block above the limit': head('Encapsulated: req-hdr=0, null-body=70000'),
  'Transfer-Encoding': `${head('Transfer-Encoding: chunked', FITTING)}${HTTP_GET}`,
  'a line above 16 KiB': `${head(`X-A: ${'a'.repeat(17_000)}`, FITTING)}${HTTP_GET}`,
  'more than 256 fields': `${head(...Array.from({ length: 256 }, (_, index) => `X-${index}: 1`), FITTING)}${HTTP_GET}`,
  'a head above 64 KiB': head(...Array.from({ length: 100 }, (_, index) => `X-${index}: ${'a'.repeat(700)}`)),
  'a head without end': `REQMOD icap://h/ ICAP/1.0\r\n${`X-A: ${'a'.repeat(1000)}\r\n`.repeat(80)}`,
  'a URI above 8 KiB': options(`/${'a'.repeat(9000)}`).toString(),
  'a relative URI': 'OPTIONS /reqmod ICAP/1.0\r\nHost: h\r\n\r\n',
  'a URI of another scheme': 'OPTIONS http://h/reqmod ICAP/1.0\r\nHost: h\r\n\r\n',
  'HTTP in place of ICAP': 'POST /reqmod HTTP/1.1\r\nHost: h\r\n\r\n',
  'a start line of two words': 'OPTIONS icap://h/reqmod\r\nHost: h\r\n\r\n',
  'more than two blank lines': `\r\n\r\n\r\n${options()}`,
};

const BODY = head(`Encapsulated: ${POST}`) + HTTP_POST;
const PREVIEW = head('Preview: 4', `Encapsulated: ${POST}`) + HTTP_POST;

const BAD_BODIES: Readonly<Record<string, string>> = {
  'an empty chunk size': `${BODY}\r\n`,
  'a signed chunk size': `${BODY}-5\r\nabcde\r\n`,
  'a chunk size with 0x': `${BODY}0x5\r\nabcde\r\n`,
  'a chunk size of 17 digits': `${BODY}${'0'.repeat(16)}5\r\nabcde\r\n`,
  'a chunk size above 2^53 - 1': `${BODY}20000000000000\r\nabcde\r\n`,
  'a chunk without its line end': `${BODY}5\r\nabcdefg\r\n`,
  'a chunk size line that ends in a line feed': `${BODY}5\nabcde\r\n`,
  'a chunk extension above 256 bytes': `${BODY}5;${'a'.repeat(300)}\r\nabcde\r\n`,
  'ieof outside a preview': `${BODY}5\r\nabcde\r\n0; ieof\r\n\r\n`,
  'more in the preview than announced': `${PREVIEW}5\r\nabcde\r\n0\r\n\r\n`,
  'a trailer above 8 KiB': `${BODY}0\r\n${`X-T: ${'t'.repeat(1000)}\r\n`.repeat(10)}\r\n`,
};

describe('answered 400 and closed, and no backend hears of it', () => {
  test.each(Object.entries(BAD_HEADS))('%s', async (_, bytes) => {
    await using client = await rig.connect('heads');
    const sent = client.send(bytes);
    const refused = await client.answer();
    expect([refused.status, refused.head.close, refused.field('encapsulated')]).toEqual([400, true, 'null-body=0']);
    expect(await client.gone).toBeDefined();
    await sent;
    expect(client.received.toString('latin1').split('ICAP/1.0')).toHaveLength(2);
    expect(rig.backend('heads').exchanges).toHaveLength(0);
  });

  test('each is counted and logged', async () => {
    const labels = { service: 'heads', reason: 'protocol' };
    const count = Object.keys(BAD_HEADS).length;
    await expect.poll(() => rig.gateway.metric('icapgw_connections_closed_total', labels)).toBe(count);
    const event = await rig.gateway.waitForEvent('icap-request-refused', ({ service }) => service === 'heads');
    expect(event).toMatchObject({ status: 400, code: expect.stringMatching(/^ICAPGW_ICAP_/) });
  });
});

describe('answered 400 and closed in the middle of a body, whose backend connection is given up', () => {
  test.each(Object.entries(BAD_BODIES))('%s', async (_, bytes) => {
    const { length } = rig.backend('bodies').exchanges;
    await using client = await rig.connect('bodies');
    await client.send(bytes);
    const refused = await client.answer();
    expect([refused.status, refused.head.close]).toEqual([400, true]);
    expect(await client.gone).toBeDefined();
    for (const exchange of rig.backend('bodies').exchanges.slice(length)) {
      expect(await exchange.connection.gone).toBeDefined();
      expect(exchange.isComplete).toBe(false);
    }
    expect((await rig.ask('bodies', reqmod({ preview: 0 }))).status).toBe(204);
  });
});

describe('a request that is whole but cannot be served', () => {
  test.each([
    ['another version', options().toString().replace('ICAP/1.0', 'ICAP/2.0'), 505],
    ['an unknown method', options().toString().replace('OPTIONS', 'LOGIN'), 501],
    ['a method in lower case', options().toString().replace('OPTIONS', 'options'), 501],
  ] as const)('with %s', async (_, bytes, status) => {
    const refused = await rig.ask('methods', Buffer.from(bytes));
    expect([refused.status, refused.field('encapsulated')]).toEqual([status, 'null-body=0']);
    expect(rig.backend('methods').exchanges).toHaveLength(0);
  });

  test('with a TLS handshake where none is expected is closed', async () => {
    await using client = await rig.connect('strange');
    await client.send(Buffer.from('1603010200010001fc0303', 'hex'), Buffer.alloc(200));
    expect(await client.gone).toBeDefined();
    client.finish();
    const labels = { service: 'strange', reason: 'protocol' };
    await expect.poll(() => rig.gateway.metric('icapgw_connections_closed_total', labels)).toBe(1);
  });
});

describe('what backends get', () => {
  test('is framed anew: no chunk extensions, no trailers, no sizes cut to 32 bits', async () => {
    const odd = `${BODY}0005;name=v\r\nabcde\r\n3 ; x="y z"\r\nfgh\r\n0;more\r\nX-Trailer: t\r\n\r\n`;
    expect((await rig.ask('framing', Buffer.from(odd))).status).toBe(200);
    const exchange = await rig.backend('framing').exchange(0);
    expect(exchange.received.toString()).toBe('abcdefgh');
    const sent = exchange.connection.received.toString('latin1');
    expect(sent).not.toMatch(/;|X-Trailer/);

    await using client = await rig.connect('framing');
    await client.send(`${BODY}100000005\r\nabcde`, `\r\n0\r\n\r\n${options()}`);
    const large = await rig.backend('framing').exchange(1);
    expect((await large.bytes(20)).toString()).toMatch(/^abcde\r\n0\r\n\r\nOPTIONS/);
    expect(large.endings).toEqual([]);
  });

  test('never includes a second request that hides in the first', async () => {
    await using client = await rig.connect('framing');
    const hidden = reqmod({ path: '/hidden', body: 'x' });
    const outer = Buffer.concat([Buffer.from(BODY), chunked(hidden)]);
    expect((await client.ask(outer)).body.equals(hidden)).toBe(true);
    // A null-body ends the request: what follows is the next one.
    await client.send(Buffer.concat([reqmod({ preview: 0, 'req-hdr': HTTP_GET }), chunk('abc'), Buffer.from('\r\n')]));
    expect((await client.answer()).status).toBe(204);
    expect((await client.answer()).status).toBe(400);
    const paths = rig.backend('framing').exchanges.map(({ head: { uri } }) => uri.path);
    expect(paths).not.toContain('/hidden');
  });
});
