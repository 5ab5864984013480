import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { request as requestTls } from 'node:https';
import { describe, expect, test, vi } from 'vitest';
import { FeedUnavailableError } from '../../../src/feeds/contract/feed-unavailable.ts';
import { GUARD_DUTY_LIMITS } from '../../../src/feeds/guardduty/guardduty-listener.ts';
import { loadKeyPair } from '../../../src/tls/material.ts';
import { certificates } from '../../_util/certificates.ts';
import { answerOf, startFeedListener, textOf } from '../../_util/feed-listener.ts';

const GUIDE_EVENT = {
  detail: {
    type: 'UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom',
    service: { action: { awsApiCallAction: { remoteIpDetails: { ipAddressV4: '198.51.100.0' } } } },
  },
};

describe('what is answered', () => {
  test.each(['/', '/api', '/api/', '/api/?a=b'])('a look at %s, without a credential', async (path) => {
    await using feed = await startFeedListener({ token: 't' });
    expect(await feed.ask({ path })).toMatchObject({
      code: 200,
      body: 'Running...',
      headers: { 'content-length': '10' },
    });
    expect(await feed.ask({ path, method: 'HEAD' })).toMatchObject({ code: 200, body: '' });
  });

  test.each(['/', '/api', '/api/'])('a finding posted to %s', async (path) => {
    await using feed = await startFeedListener();
    const answer = await feed.post(GUIDE_EVENT, { path });
    expect(answer).toMatchObject({
      code: 200,
      body: 'Success!',
      headers: { 'x-icapgw-result': 'blocked=1, extended=0, ignored=0' },
    });
    expect(answer.headers.location).toBeUndefined();
    expect(feed.taken).toEqual([
      [{ address: '198.51.100.0', type: 'UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom' }],
    ]);
  });

  test.each(['/apis', '/api//', '/API/', '/metrics', '/api/../', '/api/x', '*'])('%s is not there', async (path) => {
    await using feed = await startFeedListener();
    expect((await feed.ask({ path })).code).toBe(404);
    expect((await feed.post(GUIDE_EVENT, { path })).code).toBe(404);
    expect(feed.taken).toEqual([]);
  });

  test.each(['PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s is not taken', async (method) => {
    await using feed = await startFeedListener();
    expect(await feed.ask({ method, path: '/api/' })).toMatchObject({
      code: 405,
      headers: { allow: 'GET, HEAD, POST' },
    });
  });

  test.each(['x:443', '/api/'])('CONNECT %s is not taken, and its connection ends', async (target) => {
    await using feed = await startFeedListener();
    const socket = feed.socket();
    const said = textOf(socket);
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: x:443\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(await said).toMatch(
      /^HTTP\/1\.1 405 Method Not Allowed\r\n(?:.+\r\n)*Allow: GET, HEAD, POST\r\n(?:.+\r\n)*\r\nonly GET, HEAD, POST\n$/,
    );
    expect([...feed.counts]).toEqual([['request 405', 1]]);
  });

  test('what is archived or harmless counts as ignored', async () => {
    await using feed = await startFeedListener({ minSeverity: 4 });
    const action = { networkConnectionAction: { remoteIpDetails: { ipAddressV4: '192.0.2.1' } } };
    const archived = { type: 'T', service: { archived: true, action } };
    const harmless = { type: 'T', severity: 3, service: { action } };
    const answer = await feed.post([archived, harmless, GUIDE_EVENT]);
    expect(answer.headers['x-icapgw-result']).toBe('blocked=1, extended=0, ignored=2');
    expect([...feed.counts]).toEqual(
      expect.arrayContaining([
        ['ignored archived', 1],
        ['ignored severity', 1],
        ['addresses ignored', 2],
      ]),
    );
  });

  test('a finding that cannot be kept stays with its sender', async () => {
    await using feed = await startFeedListener({
      take: () => Promise.reject(new FeedUnavailableError({ detail: 'disk full', retryAfterSeconds: 7 })),
    });
    const answer = await feed.post(GUIDE_EVENT);
    expect(answer).toMatchObject({ code: 503, headers: { 'retry-after': '7' } });
    expect(answer.body).not.toContain('disk');
    expect(feed.events.at(-1)?.fields).toMatchObject({ code: 503, reason: expect.stringContaining('disk full') });
  });

  test('a connection is kept for the next request', async () => {
    await using feed = await startFeedListener();
    const socket = feed.socket();
    const said = textOf(socket);
    const post = (body: string, last = ''): string =>
      `POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${last}\r\n${body}`;
    socket.write(
      post('{}') + post('{"remote_ip":"192.0.2.1"}') + post('{"remote_ip":"192.0.2.2"}', 'Connection: close\r\n'),
    );
    expect((await said).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 200', 'HTTP/1.1 200']);
  });
});

describe('credentials', () => {
  test.each([
    [{}, 403],
    [{ authorization: 'Bearer wrong' }, 401],
    [{ authorization: 'Bearer s3cret' }, 200],
    [{ 'x-icapgw-token': 's3cret' }, 200],
  ])('%j is answered %i', async (headers, code) => {
    await using feed = await startFeedListener({ token: 's3cret' });
    expect((await feed.post(GUIDE_EVENT, { headers })).code).toBe(code);
    expect(feed.taken).toHaveLength(code === 200 ? 1 : 0);
  });

  test('a signature over the body as it was sent', async () => {
    await using feed = await startFeedListener({ hmacKey: 'k' });
    const timestamp = String(feed.clock.nowMs() / 1000);
    const body = ` ${JSON.stringify(GUIDE_EVENT)}\n`;
    const sign = (text: string): string =>
      `sha256=${createHmac('sha256', 'k').update(`${timestamp}.${text}`).digest('hex')}`;
    const post = (signature: string): ReturnType<typeof feed.post> =>
      feed.post(body, { headers: { 'x-icapgw-timestamp': timestamp, 'x-icapgw-signature': signature } });
    expect((await post(sign(body.trim()))).code).toBe(401);
    expect((await post(sign(body))).code).toBe(200);
    feed.clock.advance(301_000);
    expect((await post(sign(body))).code).toBe(401);
    expect(feed.taken).toHaveLength(1);
  });

  test('nothing secret comes to the log', async () => {
    await using feed = await startFeedListener({ token: 'geheim1' });
    await feed.post(GUIDE_EVENT, { path: '/api/?token=geheim2&x=geheim3' });
    await feed.post('geheim4', { path: '/api/?token=geheim1' });
    await feed.post({ remote_ip: 'geheim5' }, { headers: { authorization: 'Bearer geheim1' } });
    await feed.ask({ path: '/geheim6?token=geheim1', method: 'POST' });
    expect(feed.events).toHaveLength(5);
    expect(JSON.stringify(feed.events)).not.toContain('geheim');
  });

  test('others can be set while it listens', async () => {
    await using feed = await startFeedListener({ token: 'old' });
    const settings = {
      hmacKey: undefined,
      bodyLimitBytes: 10,
      ratePerSecond: 0,
      allowFrom: [],
      minSeverity: 0,
      tls: undefined,
    };
    feed.listener.configure({ ...settings, token: 'new' });
    expect((await feed.post('{}', { headers: { 'x-icapgw-token': 'old' } })).code).toBe(401);
    expect((await feed.post(GUIDE_EVENT, { headers: { 'x-icapgw-token': 'new' } })).code).toBe(413);
  });
});

describe('bodies that are refused', () => {
  test.each<[string, string | Uint8Array, Record<string, string>]>([
    ['another type', JSON.stringify(GUIDE_EVENT), { 'content-type': 'text/plain' }],
    ['a form', 'remote_ip=198.51.100.0', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['a type that only begins alike', '{}', { 'content-type': 'application/jsonx' }],
    ['an empty type', JSON.stringify(GUIDE_EVENT), { 'content-type': '' }],
    ['gzip', JSON.stringify(GUIDE_EVENT), { 'content-encoding': 'gzip' }],
    ['nothing', '', {}],
    ['half of it', '{"remote_ip":', {}],
    ['no JSON', 'remote_ip: 198.51.100.0', {}],
    ['Latin-1', Buffer.from('{"remote_ip":"198.51.100.0","domain":"\xe9"}', 'latin1'), {}],
    ['UTF-16', Buffer.from('{"remote_ip":"198.51.100.0"}', 'utf16le'), {}],
    ['a text', '"198.51.100.0"', {}],
    ['brackets without end', '['.repeat(500_000), {}],
    ['nested brackets', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, {}],
    ['a number that is none', '{"remote_ip":"198.51.100.0","n":1e99999}x', {}],
  ])('%s', async (_, body, headers) => {
    await using feed = await startFeedListener();
    const answer = await feed.post(body, { headers });
    expect(answer.code).toBe(400);
    expect(answer.body).toMatch(/^[^\n]+\n$/);
    expect(feed.taken).toEqual([]);
  });

  test.each(['application/json; charset=utf-8', 'Application/JSON', 'application/json ;x=y'])(
    '%s is JSON',
    async (type) => {
      await using feed = await startFeedListener();
      expect((await feed.post(GUIDE_EVENT, { headers: { 'content-type': type } })).code).toBe(200);
    },
  );

  test('one byte too much, declared or not, and not one byte less', async () => {
    const body = JSON.stringify(GUIDE_EVENT);
    await using exact = await startFeedListener({ bodyLimitBytes: body.length });
    await using less = await startFeedListener({ bodyLimitBytes: body.length - 1 });
    const chunked = { headers: { 'transfer-encoding': 'chunked' } };
    const declared = { headers: { 'content-length': String(body.length) } };
    for (const how of [chunked, declared]) {
      expect((await exact.post(body, how)).code).toBe(200);
      expect(await less.post(body, how)).toMatchObject({ code: 413, headers: { connection: 'close' } });
    }
    expect(less.taken).toEqual([]);
  });

  test('a body without end is answered before its end, and cut', async () => {
    await using feed = await startFeedListener({ bodyLimitBytes: 1000 });
    const socket = feed.socket();
    const said = textOf(socket);
    socket.write(
      'POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const more = (): void => {
      while (!socket.destroyed && socket.write(`fa0\r\n${' '.repeat(4000)}\r\n`));
    };
    socket.on('drain', more);
    more();
    expect(await said).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('who asks first whether a body is wanted need not send one that is not', async () => {
    await using feed = await startFeedListener({ bodyLimitBytes: 1000, token: 't' });
    const ask = async (headers: string): Promise<string> => {
      const socket = feed.socket();
      const said = textOf(socket);
      socket.write(
        `POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n${headers}\r\n`,
      );
      await once(socket, 'data');
      socket.end(headers.includes('Bearer') && !headers.includes('9999') ? '{"remote_ip":"192.0.2.1"}' : '');
      return await said;
    };
    expect(await ask('Content-Length: 25\r\n')).toMatch(/^HTTP\/1\.1 403 /);
    expect(await ask('Content-Length: 9999\r\nAuthorization: Bearer t\r\n')).toMatch(/^HTTP\/1\.1 413 /);
    expect(await ask('Content-Length: 25\r\nConnection: close\r\nAuthorization: Bearer t\r\n')).toMatch(
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /,
    );
  });
});

describe('senders that are slow', () => {
  test.each([
    ['say nothing', ''],
    ['stop in the head', 'POST /api/ HTTP/1.1\r\nHost: x\r\n'],
  ])('those that %s are let go', async (_, text) => {
    await using feed = await startFeedListener({ timeouts: { headMs: 50, bodyMs: 60_000 } });
    const socket = feed.socket();
    const said = textOf(socket);
    socket.write(text);
    expect(await said).toMatch(/^$|^HTTP\/1\.1 408 /);
  });

  test('those that trickle a body are answered, and let go', async () => {
    await using feed = await startFeedListener({ timeouts: { headMs: 60_000, bodyMs: 50 } });
    const socket = feed.socket();
    const said = textOf(socket);
    socket.write('POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{');
    expect(await said).toMatch(/^HTTP\/1\.1 408 /);
    expect(feed.taken).toEqual([]);
  });

  test('those that leave in the middle end nothing but their request', async () => {
    await using feed = await startFeedListener();
    const socket = feed.socket();
    socket.write('POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{');
    await once(socket, 'connect');
    socket.resetAndDestroy();
    expect((await feed.post(GUIDE_EVENT)).code).toBe(200);
  });
});

test('the rate counts before the credential, and says when to come again', async () => {
  await using feed = await startFeedListener({ token: 't', ratePerSecond: 2 });
  const codes = [];
  for (let count = 0; count < 4; count += 1) codes.push((await feed.post(GUIDE_EVENT)).code);
  expect(codes.slice(0, 2)).toEqual([403, 403]);
  expect(codes).toContain(429);
  const { headers } = await vi.waitFor(async () => {
    const answer = await feed.post(GUIDE_EVENT);
    expect(answer.code).toBe(429);
    return answer;
  });
  expect(headers['retry-after']).toBe('1');
});

test('who is refused over and over is one line, and a number once a minute', async () => {
  await using feed = await startFeedListener({ token: 't' });
  const refused = (): readonly string[] =>
    feed.events.map(({ event }) => event).filter((event) => event.endsWith('refused'));
  for (let count = 0; count < 5; count += 1) expect((await feed.post(GUIDE_EVENT)).code).toBe(403);
  expect(refused()).toEqual(['feed-request-refused']);
  expect(feed.counts.get('request 403')).toBe(5);
  feed.clock.advance(60_000);
  expect(refused()).toEqual(['feed-request-refused', 'feed-requests-refused']);
  expect(feed.events.at(-1)?.fields).toEqual({
    ...{ feed: 'guardduty', client: '127.0.0.1', count: 4, seconds: 60 },
    ...{ code: 403, reason: 'no credential' },
  });
});

describe('connections', () => {
  test('may be a thousand, whose heads take ten seconds and bodies thirty', () => {
    expect(GUARD_DUTY_LIMITS).toEqual({ timeouts: { headMs: 10_000, bodyMs: 30_000 }, maxConnections: 1000 });
  });

  test('that say nothing give way to one that does', async () => {
    await using feed = await startFeedListener({ maxConnections: 2 });
    const idle = [feed.socket(), feed.socket(), feed.socket()];
    const closed = Promise.race(idle.map((socket) => once(socket.resume(), 'close')));
    expect((await feed.post(GUIDE_EVENT)).code).toBe(200);
    await closed;
    for (const socket of idle) socket.destroy();
  });

  test('beyond the last place are closed where TLS is spoken', async () => {
    const certFile = certificates().server.combined;
    const files = { certFile, keyFile: undefined, passphraseFile: undefined, securityLevel: undefined };
    const tls = { keyPair: loadKeyPair(files), minVersion: 'TLSv1.2' } as const;
    await using feed = await startFeedListener({ maxConnections: 1, tls });
    const first = feed.socket();
    await once(first, 'connect');
    const options = { port: feed.port, host: '127.0.0.1', rejectUnauthorized: false, agent: false };
    await expect(answerOf(requestTls(options))).rejects.toThrow();
    first.destroy();
    await vi.waitFor(async () => expect((await answerOf(requestTls(options))).code).toBe(200));
  });
});

describe('allow-from', () => {
  test('closes others without a byte', async () => {
    await using feed = await startFeedListener({ allowFrom: ['192.0.2.0/24'] });
    const socket = feed.socket();
    const said = textOf(socket);
    socket.write('GET /api/ HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await said).toBe('');
    expect(feed.events.at(-1)?.event).toBe('feed-client-refused');
    expect([...feed.counts]).toEqual([]);
  });

  test('lets those in who are on it', async () => {
    await using feed = await startFeedListener({ allowFrom: ['192.0.2.0/24', '127.0.0.0/8'] });
    expect((await feed.ask({ path: '/' })).code).toBe(200);
  });
});

describe('TLS', () => {
  const lab = certificates();
  const keyPair = loadKeyPair({
    certFile: lab.server.combined,
    keyFile: undefined,
    passphraseFile: undefined,
    securityLevel: undefined,
  });

  test('serves nothing in clear, and findings all the same', async () => {
    await using feed = await startFeedListener({ tls: { keyPair, minVersion: 'TLSv1.3' } });
    const { port } = feed;
    const body = JSON.stringify(GUIDE_EVENT);
    const headers = { 'content-type': 'application/json' };
    const options = {
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/api/',
      headers,
      rejectUnauthorized: false,
      agent: false,
    };
    expect(await answerOf(requestTls(options), body)).toMatchObject({ code: 200, body: 'Success!' });
    await expect(answerOf(requestTls({ ...options, maxVersion: 'TLSv1.2' }), body)).rejects.toThrow();
    const socket = feed.socket();
    const said = textOf(socket);
    socket.write('GET /api/ HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await said).not.toContain('HTTP');
  });

  test('says nothing to those who may not connect', async () => {
    await using feed = await startFeedListener({ tls: { keyPair, minVersion: 'TLSv1.2' }, allowFrom: ['192.0.2.1'] });
    const { port } = feed;
    await expect(
      answerOf(requestTls({ port, host: '127.0.0.1', rejectUnauthorized: false, agent: false })),
    ).rejects.toThrow();
    expect(feed.events.at(-1)?.event).toBe('feed-client-refused');
  });
});

test('an address that is taken is said so', async () => {
  await using feed = await startFeedListener();
  await expect(startFeedListener({ port: feed.port })).rejects.toMatchObject({ code: 'ICAPGW_LISTEN' });
});

test('at the end requests under way are finished', async () => {
  const arrived = Promise.withResolvers<void>();
  const kept = Promise.withResolvers<void>();
  const feed = await startFeedListener({
    async take() {
      arrived.resolve();
      await kept.promise;
      return { blocked: 1, extended: 0, ignored: 0 };
    },
  });
  const answer = feed.post(GUIDE_EVENT);
  await arrived.promise;
  const ended = feed[Symbol.asyncDispose]();
  kept.resolve();
  expect((await answer).code).toBe(200);
  await ended;
});
