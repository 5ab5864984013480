import { once } from 'node:events';
import { link, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test, vi } from 'vitest';
import { type AdminOptions, type AdminServer, startAdmin } from '../../src/observe/admin.ts';
import { ask, createSources, SNAPSHOT } from '../_util/observe-http.ts';
import { createFolder, createLog, type TestLog } from '../_util/observe-log.ts';

const TOKEN = 'a-token-of-more-than-16-characters';

interface TestAdmin extends AsyncDisposable {
  readonly address: string;
  readonly file: TestLog;
}

async function start(options: Partial<AdminOptions> = {}): Promise<TestAdmin> {
  const file = await createLog();
  const admin: AdminServer | undefined = await startAdmin({
    listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    explicit: true,
    token: undefined,
    sources: createSources(),
    log: file.log,
    ...options,
  });
  if (admin === undefined) throw new Error('not started');
  return {
    address: admin.address,
    file,
    async [Symbol.asyncDispose]() {
      await admin[Symbol.asyncDispose]();
      await file[Symbol.asyncDispose]();
    },
  };
}

describe('the admin endpoint', () => {
  test('answers scrapes, probes, people and programs', async () => {
    await using admin = await start();
    expect(await ask(admin.address, '/metrics')).toMatchObject({
      status: 200,
      body: '# HELP a b\n',
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    });
    expect(await ask(admin.address, '/livez')).toMatchObject({ status: 200, body: 'ok\n' });
    expect(await ask(admin.address, '/readyz?verbose')).toMatchObject({ status: 200, body: 'ready\n' });
    const status = await ask(admin.address, '/api/v1/status');
    expect(JSON.parse(status.body)).toEqual(SNAPSHOT);
    expect(await ask(admin.address, '/')).toMatchObject({ status: 200, body: expect.stringContaining('dlp-1') });
  });

  test.each([
    [{ state: 'starting', isListening: false, servicesDown: [] }, 'not ready: starting\n'],
    [{ state: 'draining', isListening: true, servicesDown: [] }, 'not ready: draining\n'],
    [{ state: 'ready', isListening: false, servicesDown: [] }, 'not ready: no worker accepts connections\n'],
    [
      { state: 'ready', isListening: true, servicesDown: ['mcas', 'other'] },
      'not ready: no usable backend for mcas, other\n',
    ],
  ] as const)('is not ready with %o', async (ready, body) => {
    await using admin = await start({ sources: createSources({ ready }) });
    expect(await ask(admin.address, '/readyz')).toMatchObject({ status: 503, body });
    expect(await ask(admin.address, '/livez')).toMatchObject({ status: 200 });
  });

  test('knows nothing else, and only GET and HEAD', async () => {
    await using admin = await start();
    const missing = await ask(admin.address, '/../etc/passwd');
    expect(missing).toMatchObject({ status: 404, headers: { 'content-type': 'application/json; charset=utf-8' } });
    expect(JSON.parse(missing.body)).toHaveProperty('error');
    expect(await ask(admin.address, '/metrics', { method: 'POST' })).toMatchObject({
      status: 405,
      headers: { allow: 'GET, HEAD' },
    });
    expect(await ask(admin.address, '/livez', { method: 'HEAD' })).toMatchObject({
      status: 200,
      body: '',
      headers: { 'content-length': '3' },
    });
  });

  test('tells browsers to trust nothing and to keep nothing', async () => {
    await using admin = await start();
    for (const path of ['/', '/metrics', '/nothing']) {
      const { headers } = await ask(admin.address, path);
      expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
      expect(headers['content-security-policy']).toContain("default-src 'none'");
    }
  });

  test('survives a scrape that fails, and logs why', async () => {
    const metricsText = (): Promise<string> => Promise.reject(new Error('broken'));
    await using admin = await start({ sources: createSources({ metricsText }) });
    const reply = await ask(admin.address, '/metrics');
    expect([reply.status, reply.body.includes('broken')]).toEqual([500, false]);
    expect(await ask(admin.address, '/livez')).toMatchObject({ status: 200 });
    expect((await admin.file.events()).at(-1)).toMatchObject({ event: 'admin-request-failed', detail: 'broken' });
  });

  test('answers CONNECT too', async () => {
    await using admin = await start();
    const socket = connect({ host: '127.0.0.1', port: Number(/\d+$/.exec(admin.address)?.[0]) });
    socket.write(`CONNECT x:443 HTTP/1.1\r\nHost: ${admin.address}\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 404 /);
  });

  test('refuses a head that is too large', async () => {
    await using admin = await start();
    const headers = { 'X-Large': 'x'.repeat(9000) };
    expect(await ask(admin.address, '/livez', { headers })).toMatchObject({ status: 431 });
  });

  test('holds at most 64 connections, and those that say nothing keep nobody out', async () => {
    await using admin = await start();
    const port = Number(/\d+$/.exec(admin.address)?.[0]);
    const sockets: Socket[] = [];
    try {
      const closed: number[] = [];
      for (let index = 0; index < 70; index += 1) {
        const socket = connect({ host: '127.0.0.1', port });
        sockets.push(socket);
        socket.on('error', () => {});
        socket.on('close', () => closed.push(index));
        await once(socket, 'connect');
      }
      // Those that have waited for the longest give way.
      await vi.waitFor(() => expect(closed.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]));
      expect(await ask(admin.address, '/livez')).toMatchObject({ status: 200 });
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  test('turns a newcomer away where each of 64 connections waits for its answer', async () => {
    const answer = Promise.withResolvers<string>();
    const asked = vi.fn();
    const metricsText = (): Promise<string> => {
      asked();
      return answer.promise;
    };
    await using admin = await start({ sources: { ...createSources(), metricsText } });
    const busy = Array.from({ length: 64 }, () => ask(admin.address, '/metrics'));
    await vi.waitFor(() => expect(asked).toHaveBeenCalledTimes(64));
    await expect(ask(admin.address, '/livez')).rejects.toThrow();
    answer.resolve('# HELP a b\n');
    const statuses = (await Promise.all(busy)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await ask(admin.address, '/livez')).toMatchObject({ status: 200 });
  });

  test('lets in who asks where all others do not say all of what they want', async () => {
    await using admin = await start();
    const port = Number(/\d+$/.exec(admin.address)?.[0]);
    const sockets: Socket[] = [];
    try {
      for (let index = 0; index < 64; index += 1) {
        const socket = connect({ host: '127.0.0.1', port });
        sockets.push(socket);
        socket.on('error', () => {});
        await once(socket, 'connect');
        socket.write(`POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{`);
      }
      for (let turn = 0; turn < 10; turn += 1) {
        expect(await ask(admin.address, '/livez')).toMatchObject({ status: 200 });
      }
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  test('says nothing of a wish whose sender left in the middle of it', async () => {
    await using admin = await start();
    const port = Number(/\d+$/.exec(admin.address)?.[0]);
    const socket = connect({ host: '127.0.0.1', port });
    socket.write(
      `POST /api/v1/reload HTTP/1.1\r\nHost: ${admin.address}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
    );
    await once(socket, 'connect');
    // The one after it is answered once the first was read.
    expect(await ask(admin.address, '/livez')).toMatchObject({ status: 200 });
    socket.destroy();
    expect(await ask(admin.address, '/livez')).toMatchObject({ status: 200 });
    const events = (await admin.file.events()).map(({ event }) => event);
    expect(events).toEqual(['admin-listening']);
  });
});

describe('a token', () => {
  const authorized = { headers: { Authorization: `Bearer ${TOKEN}` } };

  test('opens everything, and without it only the probes answer', async () => {
    await using admin = await start({ token: TOKEN });
    for (const path of ['/', '/metrics', '/api/v1/status']) {
      expect(await ask(admin.address, path)).toMatchObject({
        status: 401,
        headers: { 'www-authenticate': expect.stringMatching(/^Bearer realm="icapgw", Basic /) },
      });
      expect(await ask(admin.address, path, authorized)).toMatchObject({ status: 200 });
    }
    expect(await ask(admin.address, '/nothing')).toMatchObject({ status: 401 });
    expect(await ask(admin.address, '/livez')).toMatchObject({ status: 200 });
    expect(await ask(admin.address, '/readyz')).toMatchObject({ status: 200 });
  });

  test('is what a browser sends as a password, which is enough to look and not to act', async () => {
    await using admin = await start({ token: TOKEN });
    const basic = { Authorization: `Basic ${Buffer.from(`anybody:${TOKEN}`).toString('base64')}` };
    expect(await ask(admin.address, '/', { headers: basic })).toMatchObject({ status: 200 });
    const drain = { method: 'POST', headers: basic };
    expect(await ask(admin.address, '/api/v1/backends/web/av-1/drain', drain)).toMatchObject({ status: 401 });
  });

  test.each(['', 'Bearer', `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`, 'Bearer \u00ff'])(
    'is not replaced by %j, and the log says who tried',
    async (authorization) => {
      await using admin = await start({ token: TOKEN });
      const headers = { Authorization: authorization };
      expect(await ask(admin.address, '/metrics', { headers })).toMatchObject({ status: 401 });
      const last = (await admin.file.events()).at(-1);
      expect(last).toMatchObject({ event: 'admin-request-refused', reason: 'token', path: '/metrics' });
      expect(JSON.stringify(last)).not.toContain(TOKEN.slice(1));
    },
  );
});

describe('the Host header', () => {
  test.each(['localhost', 'localhost:9344', 'LOCALHOST', '127.0.0.1:1', '[::1]:9344', '10.1.2.3'])(
    '%s is answered',
    async (host) => {
      await using admin = await start();
      expect(await ask(admin.address, '/livez', { headers: { Host: host } })).toMatchObject({ status: 200 });
    },
  );

  test('of another machine is refused: a page elsewhere may have it resolve to this address', async () => {
    await using admin = await start();
    for (const host of ['attacker.example', 'localhost.attacker.example:9344', '127.0.0.1.attacker.example']) {
      expect(await ask(admin.address, '/metrics', { headers: { Host: host } })).toMatchObject({ status: 421 });
    }
    expect((await admin.file.events()).at(-1)).toMatchObject({ event: 'admin-request-refused', reason: 'host' });
  });

  test('may be any where a token is asked for', async () => {
    await using admin = await start({ token: TOKEN });
    const headers = { Host: 'gateway.example', Authorization: `Bearer ${TOKEN}` };
    expect(await ask(admin.address, '/metrics', { headers })).toMatchObject({ status: 200 });
  });
});

describe('the address', () => {
  test('really bound is told, and logged without the words scripts wait for', async () => {
    await using admin = await start();
    expect(admin.address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    expect(await admin.file.events()).toMatchObject([{ event: 'admin-listening', address: admin.address }]);
  });

  test('taken: an error where it was asked for, a warning where it is only the default', async () => {
    await using other = await start();
    await using file = await createLog();
    const port = Number(/\d+$/.exec(other.address)?.[0]);
    const options = {
      listen: { kind: 'tcp', host: '127.0.0.1', port },
      token: undefined,
      sources: createSources(),
      log: file.log,
    } as const;
    await expect(startAdmin({ ...options, explicit: true })).rejects.toMatchObject({
      code: 'ICAPGW_LISTEN',
      message: expect.stringMatching(`admin.listen 127.0.0.1:${port}: .*EADDRINUSE`),
    });
    expect(await startAdmin({ ...options, explicit: false })).toBeUndefined();
    expect(await file.events()).toMatchObject([
      { event: 'admin-unavailable', level: 'warning', address: `127.0.0.1:${port}` },
    ]);
  });
});

describe.skipIf(process.platform === 'win32')('a unix socket', () => {
  test('is for its owner only and gone at the end', async () => {
    await using folder = await createFolder();
    const path = folder.file('admin.sock');
    const umask = process.umask();
    {
      await using admin = await start({ listen: { kind: 'unix', path } });
      expect(admin.address).toBe(`unix:${path}`);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(process.umask()).toBe(umask);
      const headers = { Host: 'anything' };
      expect(await ask(admin.address, '/livez', { headers })).toMatchObject({ status: 200 });
    }
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('left behind by a killed process is taken over', async () => {
    await using folder = await createFolder();
    const path = folder.file('admin.sock');
    // libuv unlinks the path it was bound to: a link made before keeps the socket, and nobody listens on it then.
    const server = createServer().listen(folder.file('first.sock'));
    await once(server, 'listening');
    await link(folder.file('first.sock'), path);
    server.close();
    await once(server, 'close');
    await using admin = await start({ listen: { kind: 'unix', path } });
    expect(await ask(admin.address, '/livez')).toMatchObject({ status: 200 });
  });

  test('of a living process is left alone', async () => {
    await using folder = await createFolder();
    const listen = { kind: 'unix', path: folder.file('admin.sock') } as const;
    await using first = await start({ listen });
    await expect(start({ listen })).rejects.toMatchObject({ code: 'ICAPGW_LISTEN' });
    expect(await ask(first.address, '/livez')).toMatchObject({ status: 200 });
  });

  test('never replaces a file that is something else', async () => {
    await using folder = await createFolder();
    const path = folder.file('admin.sock');
    await writeFile(path, 'precious');
    await expect(start({ listen: { kind: 'unix', path } })).rejects.toMatchObject({ code: 'ICAPGW_LISTEN' });
    expect(await folder.read('admin.sock')).toBe('precious');
  });
});
