import { describe, expect, test, vi } from 'vitest';
import type { TransactionEntry } from '../../src/demo/connection.ts';
import { EICAR } from '../../src/demo/eicar.ts';
import { type IcapServerOptions, startIcapServer } from '../../src/demo/icap-server.ts';
import { chunkStart } from '../../src/icap/chunk-encoder.ts';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import { HTTP_POST, reqmod, vector } from '../_util/icap-vectors.ts';
import { openWire } from '../_util/icap-wire.ts';

const TIMEOUTS = { idleMs: 10_000, headerMs: 10_000, bodyIdleMs: 10_000, lingerMs: 500 };
const DONE = '0\r\n\r\n';

function startServer(options: Partial<IcapServerOptions> = {}) {
  return startIcapServer({ host: '127.0.0.1', port: 0, ...options });
}

/** Sends bytes over a new connection, half-closes, and gives all that came back. */
async function ask(bytes: Buffer | string, options: Partial<IcapServerOptions> = {}): Promise<string> {
  await using server = await startServer(options);
  await using wire = await openWire(server.port);
  wire.send(bytes);
  wire.socket.end();
  return await wire.ended();
}

function withBody(lines: readonly string[], body: string): Buffer {
  return reqmod(lines, HTTP_POST, `${body.length.toString(16)}\r\n${body}\r\n${DONE}`);
}

describe('OPTIONS', () => {
  test.each(['/', '/reqmod', '/any/path?x=y'])('%s is answered', async (path) => {
    const answer = await ask(`OPTIONS icap://h${path} ICAP/1.0\r\nHost: h\r\n\r\n`);
    expect(answer).toMatch(/^ICAP\/1\.0 200 OK\r\n/);
    for (const line of [
      'Methods: REQMOD, RESPMOD',
      'Service: icapgw demonstration server, not a scanner',
      'ISTag: "icapgw-demo-1"',
      'Max-Connections: 1000',
      'Options-TTL: 3600',
      'Allow: 204',
      'Preview: 1024',
      'Encapsulated: null-body=0',
    ]) {
      expect(answer).toContain(`\r\n${line}\r\n`);
    }
  });

  test('a body of the request is read and dropped', async () => {
    const request = 'OPTIONS icap://h/ ICAP/1.0\r\nEncapsulated: opt-body=0\r\n\r\n2\r\nhi\r\n0\r\n\r\n';
    expect((await ask(request + request)).match(/200 OK/g)).toHaveLength(2);
  });
});

describe('what is clean', () => {
  test('is answered 204 where that is permitted', async () => {
    const answer = await ask(withBody(['Allow: 204'], 'clean'));
    expect(answer).toMatch(/^ICAP\/1\.0 204 /);
    expect(answer).toMatch(/\r\nEncapsulated: null-body=0\r\n\r\n$/);
  });

  test('is answered 204 in a preview that held it all, permitted or not', async () => {
    const preview = reqmod(['Preview: 10'], HTTP_POST, '5\r\nclean\r\n0; ieof\r\n\r\n');
    expect(await ask(preview)).toMatch(/^ICAP\/1\.0 204 /);
  });

  test('is answered 204 when there is no body but a preview', async () => {
    expect(await ask(vector('08-preview0-nullbody-client'))).toMatch(/^ICAP\/1\.0 204 /);
  });

  test('comes back as it was where 204 is not permitted', async () => {
    const answer = await ask(withBody([], 'clean'));
    expect(answer).toMatch(/^ICAP\/1\.0 200 OK\r\n/);
    expect(answer).toContain(`\r\nEncapsulated: req-hdr=0, req-body=${HTTP_POST.length}\r\n\r\n`);
    expect(answer.endsWith(`\r\n\r\n${HTTP_POST}5\r\nclean\r\n${DONE}`)).toBe(true);
  });

  test('comes back without the request where it was a response', async () => {
    const answer = await ask(vector('04-respmod-req'));
    const response = 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 51\r\n\r\n';
    expect(answer).toContain('\r\nEncapsulated: res-hdr=0, res-body=64\r\n');
    expect(answer).toContain(`${response}33\r\nThis is data that was returned by an origin server.\r\n${DONE}`);
    expect(answer).not.toContain('GET /');
  });

  test('comes back without a body if it had none', async () => {
    const answer = await ask(reqmod([], HTTP_POST, ''));
    expect(answer.endsWith(`\r\n\r\n${HTTP_POST}`)).toBe(true);
  });

  test('a preview that is not all is continued, and the whole body comes back', async () => {
    await using server = await startServer();
    await using wire = await openWire(server.port);
    wire.send(vector('05-preview100-a-client'));
    expect(await wire.until('\r\n\r\n')).toBe('ICAP/1.0 100 Continue\r\n\r\n');
    wire.send(vector('05-preview100-c-client'));
    expect(await wire.until(DONE)).toContain('1e\r\nI am posting this information.\r\n');
  });

  test('after a continued preview 204 is only sent where it is permitted', async () => {
    const preview = (lines: readonly string[]) =>
      ask(reqmod(['Preview: 1', ...lines], HTTP_POST, `1\r\nc\r\n${DONE}4\r\nlean\r\n${DONE}`));
    expect(await preview(['Allow: 204'])).toMatch(/^ICAP\/1\.0 100 Continue\r\n\r\nICAP\/1\.0 204 /);
    expect(await preview([])).toMatch(/^ICAP\/1\.0 100 Continue\r\n\r\nICAP\/1\.0 200 /);
  });

  test('of 20 MB passes without being held where 204 is permitted', async () => {
    const body = Buffer.alloc(20_000_000, 'x');
    const head = reqmod(['Allow: 204'], HTTP_POST, 'x').subarray(0, -1);
    const bytes = Buffer.concat([head, chunkStart(body.length), body, Buffer.from(`\r\n${DONE}`)]);
    expect(await ask(bytes, { maxHeldBytes: 1000 })).toMatch(/^ICAP\/1\.0 204 /);
  });

  test('comes back up to the limit of what is held, above it the answer is 500', async () => {
    expect(await ask(withBody([], 'x'.repeat(1000)), { maxHeldBytes: 1000 })).toMatch(/^ICAP\/1\.0 200 /);
    expect(await ask(withBody([], 'x'.repeat(1001)), { maxHeldBytes: 1000 })).toMatch(
      /^ICAP\/1\.0 500 Body Too Large /,
    );
  });

  test('several MB come back to a slow reader', async () => {
    await using server = await startServer();
    await using wire = await openWire(server.port);
    wire.socket.pause();
    const body = 'abcdefgh'.repeat(500_000);
    wire.send(withBody([], body));
    wire.send(withBody(['Allow: 204'], 'next'));
    wire.socket.resume();
    const answer = await wire.until('ICAP/1.0 204');
    const [, echoed = ''] = answer.split(HTTP_POST);
    expect(echoed.replaceAll(/\r\n[0-9a-f]+\r\n|^[0-9a-f]+\r\n/g, '').startsWith(body)).toBe(true);
  });
});

describe('what is found', () => {
  test.each([
    { threat: 'EICAR-Test-File', type: 0, body: `..${EICAR}..` },
    { threat: 'Payment-Card-Number', type: 1, body: 'card 4111 1111 1111 1111' },
  ])('$threat is blocked with a page', async ({ threat, type, body }) => {
    const answer = await ask(withBody(['Allow: 204'], body));
    expect(answer).toMatch(/^ICAP\/1\.0 200 OK\r\n/);
    expect(answer).toContain(`X-Infection-Found: Type=${type}; Resolution=2; Threat=${threat};\r\n`);
    expect(answer).toMatch(/\r\nEncapsulated: res-hdr=0, res-body=\d+\r\n\r\nHTTP\/1\.1 403 Forbidden\r\n/);
    expect(answer).toContain('icapgw demonstration server, not a scanner');
    expect(answer.endsWith(DONE)).toBe(true);
  });

  test('in a preview it is blocked without asking for the rest', async () => {
    const answer = await ask(reqmod(['Preview: 1024'], HTTP_POST, `44\r\n${EICAR}\r\n${DONE}`));
    expect(answer).toMatch(/^ICAP\/1\.0 200 OK/);
    expect(answer).toContain('403 Forbidden');
  });

  test('across the border of preview and rest it is blocked', async () => {
    const body = `a\r\n${EICAR.slice(0, 10)}\r\n${DONE}3a\r\n${EICAR.slice(10)}\r\n${DONE}`;
    const answer = await ask(reqmod(['Preview: 10', 'Allow: 204'], HTTP_POST, body));
    expect(answer).toMatch(/^ICAP\/1\.0 100 Continue\r\n\r\nICAP\/1\.0 200 OK/);
  });

  test('in a response it is blocked the same way', async () => {
    const bytes = vector('04-respmod-req').toString('latin1');
    const answer = await ask(bytes.replace(/33\r\n.*\r\n/, `44\r\n${EICAR}\r\n`));
    expect(answer).toContain('HTTP/1.1 403 Forbidden\r\n');
  });
});

describe('the connection', () => {
  test('serves requests one after the other, also when they come in one packet', async () => {
    const entries: TransactionEntry[] = [];
    const bytes = Buffer.concat([vector('01-options-req'), withBody([], EICAR), withBody(['Allow: 204'], 'clean')]);
    const answer = await ask(bytes, { log: (entry) => entries.push(entry) });
    expect(answer.match(/ICAP\/1\.0 \d+/g)).toEqual(['ICAP/1.0 200', 'ICAP/1.0 200', 'ICAP/1.0 204']);
    expect(entries).toEqual([
      { method: 'OPTIONS', path: '/reqmod', answer: 'options', threat: undefined, bodyBytes: 0 },
      { method: 'REQMOD', path: '/reqmod', answer: 'blocked', threat: 'EICAR-Test-File', bodyBytes: 68 },
      { method: 'REQMOD', path: '/reqmod', answer: 'unmodified', threat: undefined, bodyBytes: 5 },
    ]);
  });

  test('ends after a request that says so', async () => {
    await using server = await startServer();
    await using wire = await openWire(server.port);
    wire.send('OPTIONS icap://h/ ICAP/1.0\r\nConnection: close\r\n\r\n');
    expect(await wire.ended()).toContain('\r\nConnection: close\r\n');
  });

  test.each([
    { name: 'nonsense', bytes: 'hello\r\n\r\n', status: 400 },
    { name: 'HTTP', bytes: 'GET / HTTP/1.1\r\n\r\n', status: 400 },
    { name: 'a TLS handshake', bytes: '\x16\x03\x01', status: 400 },
    { name: 'another version', bytes: 'OPTIONS icap://h/ ICAP/2.0\r\n\r\n', status: 505 },
    { name: 'an unknown method', bytes: 'BREW icap://h/ ICAP/1.0\r\n\r\n', status: 501 },
    { name: 'a head that is too large', bytes: `OPTIONS icap://h/ ICAP/1.0\r\nX: ${'x'.repeat(70_000)}`, status: 400 },
    { name: 'a chunk that is none', bytes: reqmod([], HTTP_POST, '-5\r\nhello\r\n'), status: 400 },
  ])('answers $status to $name and ends', async ({ bytes, status }) => {
    await using server = await startServer();
    await using wire = await openWire(server.port);
    wire.send(bytes);
    const answer = await wire.ended();
    expect(answer).toMatch(new RegExp(`^ICAP/1\\.0 ${status} `));
    expect(answer).toContain('\r\nConnection: close\r\n');
  });

  test('a refused client that goes on sending still gets the answer', async () => {
    await using server = await startServer({ timeouts: TIMEOUTS });
    await using wire = await openWire(server.port);
    wire.send('hello\r\n\r\n');
    wire.send(Buffer.alloc(1_000_000));
    expect(await wire.ended()).toMatch(/^ICAP\/1\.0 400 /);
  });

  test('above the number of connections the answer is 503', async () => {
    await using server = await startServer({ maxConnections: 1 });
    await using first = await openWire(server.port);
    first.send(vector('01-options-req'));
    await first.until('200 OK');
    await using second = await openWire(server.port);
    expect(await second.ended()).toMatch(/^ICAP\/1\.0 503 /);
  });

  test('an idle connection is ended without a word', async () => {
    await using server = await startServer({ timeouts: { ...TIMEOUTS, idleMs: 10 } });
    await using wire = await openWire(server.port);
    expect(await wire.ended()).toBe('');
  });

  test.each([
    { name: 'half a head', bytes: 'OPTIONS icap://h/ ICAP/1.0\r\n', timeouts: { ...TIMEOUTS, headerMs: 10 } },
    {
      name: 'half a body',
      bytes: reqmod([], HTTP_POST, '5\r\nhel').toString('latin1'),
      timeouts: { ...TIMEOUTS, bodyIdleMs: 10 },
    },
    {
      name: 'a preview that is never followed',
      bytes: vector('05-preview100-a-client').toString('latin1'),
      timeouts: { ...TIMEOUTS, bodyIdleMs: 10 },
    },
  ])('a client that stops after $name gets 408', async ({ bytes, timeouts }) => {
    await using server = await startServer({ timeouts });
    await using wire = await openWire(server.port);
    wire.send(bytes);
    expect(await wire.ended()).toMatch(/ICAP\/1\.0 408 /);
  });

  test('a client that trickles its head does not extend its time', async () => {
    await using server = await startServer({ timeouts: { ...TIMEOUTS, headerMs: 30 } });
    await using wire = await openWire(server.port);
    wire.send('OPTIONS icap://h/ ICAP/1.0\r\n');
    const trickle = setInterval(() => wire.send('X: y\r\n'), 2);
    try {
      expect(await wire.ended()).toMatch(/^ICAP\/1\.0 408 /);
    } finally {
      clearInterval(trickle);
    }
  });

  test('a client that does not read its answer is dropped', async () => {
    await using server = await startServer({ timeouts: { ...TIMEOUTS, bodyIdleMs: 50 }, maxConnections: 1 });
    await using deaf = await openWire(server.port);
    deaf.socket.pause();
    deaf.send(withBody([], 'x'.repeat(8_000_000)));
    await vi.waitFor(
      async () => {
        await using other = await openWire(server.port);
        other.send(vector('01-options-req'));
        await other.until('200 OK');
      },
      { timeout: 10_000 },
    );
  });

  test('a client that disappears in the middle disturbs nobody', async () => {
    const log = vi.fn();
    await using server = await startServer({ log });
    {
      await using wire = await openWire(server.port);
      wire.send(reqmod([], HTTP_POST, '5\r\nhel'));
      wire.socket.resetAndDestroy();
    }
    await using other = await openWire(server.port);
    other.send(vector('01-options-req'));
    await other.until('200 OK');
    expect(log).toHaveBeenCalledOnce();
  });
});

test('a port that is taken is told', async () => {
  await using server = await startServer();
  await expect(startServer({ port: server.port })).rejects.toMatchObject({
    code: 'ICAPGW_LISTEN',
    message: expect.stringContaining(`127.0.0.1:${server.port}`),
  });
});

test('limits can be set', async () => {
  const limits = { ...DEFAULT_ICAP_LIMITS, bodyBytes: 4 };
  expect(await ask(withBody([], '12345'), { limits })).toMatch(/^ICAP\/1\.0 400 /);
});
