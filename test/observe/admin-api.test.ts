import { describe, expect, test } from 'vitest';
import { startAdmin } from '../../src/observe/admin.ts';
import type { Control } from '../../src/observe/control.ts';
import { ask, CONNECTIONS, createControl, createSources, type HttpOptions } from '../_util/observe-http.ts';
import { createLog, type TestLog } from '../_util/observe-log.ts';

interface Api extends AsyncDisposable {
  readonly address: string;
  readonly file: TestLog;
  /** What the control was told, in order. */
  readonly told: readonly string[];
  post(
    path: string,
    body?: object,
    options?: HttpOptions,
  ): Promise<{ readonly status: number; readonly body: unknown }>;
}

async function start(change: Partial<Control> = {}): Promise<Api> {
  const file = await createLog();
  const told: string[] = [];
  const admin = await startAdmin({
    listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    explicit: true,
    token: undefined,
    sources: createSources({ control: createControl(told, change) }),
    log: file.log,
  });
  if (admin === undefined) throw new Error('not started');
  return {
    ...{ address: admin.address, file, told },
    async post(path, body, { headers = {} } = {}) {
      const reply = await ask(admin.address, path, {
        method: 'POST',
        headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return { status: reply.status, body: JSON.parse(reply.body) as unknown };
    },
    async [Symbol.asyncDispose]() {
      await admin[Symbol.asyncDispose]();
      await file[Symbol.asyncDispose]();
    },
  };
}

const DRAIN = '/api/v1/backends/web/av-1/drain';

describe('a backend', () => {
  test.each(['drain', 'maint', 'ready'])('is set to %s', async (wish) => {
    await using api = await start();
    const path = `/api/v1/backends/web/av-1/${wish}`;
    expect(await api.post(path)).toEqual({ status: 200, body: { service: 'web', backend: 'av-1', set: wish } });
    expect(api.told).toEqual([`web av-1 ${wish}`]);
  });

  test('is given a weight from 0 to 256', async () => {
    await using api = await start();
    const path = '/api/v1/backends/web/av-1/weight';
    for (const weight of [0, 256]) expect(await api.post(path, { weight })).toMatchObject({ status: 200 });
    for (const weight of [-1, 257, 1.5, '3', null])
      expect(await api.post(path, { weight })).toMatchObject({ status: 400 });
    expect(await api.post(path)).toMatchObject({ status: 400 });
    expect(api.told).toEqual(['web av-1 0', 'web av-1 256']);
  });

  test('that does not exist is named', async () => {
    await using api = await start();
    const answer = await api.post('/api/v1/backends/web/none/drain');
    expect(answer).toEqual({ status: 404, body: { error: 'there is no none' } });
  });

  test('may have any name', async () => {
    const names: string[][] = [];
    const setBackend: Control['setBackend'] = (service, backend) => {
      names.push([service, backend]);
      return { ok: true };
    };
    await using api = await start({ setBackend });
    await api.post('/api/v1/backends/a%2Fb/unix:%2Frun%2Fdlp.sock/drain');
    expect(names).toEqual([['a/b', 'unix:/run/dlp.sock']]);
  });

  test.each([
    '/api/v1/backends/web/av-1/destroy',
    '/api/v1/backends/web/drain',
    '/api/v1/backends/web/av-1/drain/more',
    '/api/v1/backends/web/%ff/drain',
    '/api/v1/',
    '/api/v2/status',
  ])('is not reached by %s', async (path) => {
    await using api = await start();
    expect(await api.post(path)).toMatchObject({ status: 404 });
    expect(api.told).toEqual([]);
  });
});

describe('an address', () => {
  test('is blocked for so many seconds, or for as long as it takes', async () => {
    await using api = await start();
    expect(await api.post('/api/v1/block', { address: '192.0.2.1', seconds: 600 })).toEqual({
      status: 200,
      body: { address: '192.0.2.1', until: '2026-11-20T23:41:00.000Z' },
    });
    expect(await api.post('/api/v1/block', { address: '192.0.2.2' })).toMatchObject({ body: { until: null } });
    expect(await api.post('/api/v1/unblock', { address: '192.0.2.1' })).toMatchObject({ status: 200 });
    expect(api.told).toEqual(['block 192.0.2.1 600000', 'block 192.0.2.2 undefined', 'unblock 192.0.2.1']);
  });

  test.each([
    [{}],
    [{ address: 7 }],
    [{ address: 'nonsense' }],
    [{ address: '192.0.2.1', seconds: 0 }],
    [{ address: '192.0.2.1', seconds: -5 }],
    [{ address: '192.0.2.1', seconds: '600' }],
    [{ address: '192.0.2.1', seconds: 367 * 86_400 }],
  ])('is not blocked by %j', async (body) => {
    await using api = await start();
    const answer = await api.post('/api/v1/block', body);
    expect(answer).toMatchObject({ status: 400, body: { error: expect.any(String) } });
    expect(api.told).toEqual([]);
  });

  test.each([
    ['guarded', 409],
    ['unavailable', 503],
  ] as const)('cannot be lifted or blocked where that is %s', async (reason, status) => {
    const refused = async () => ({ ok: false, reason, detail: 'for a reason' }) as const;
    await using api = await start({ block: refused, unblock: refused });
    for (const action of ['block', 'unblock']) {
      expect(await api.post(`/api/v1/${action}`, { address: '192.0.2.1' })).toEqual({
        status,
        body: { error: 'for a reason' },
      });
    }
  });

  test('that is not kept over a restart is answered with a warning', async () => {
    const warning = 'the disk is full';
    await using api = await start({
      block: async (address) => ({ ok: true, address, until: null, warning }),
    });
    expect(await api.post('/api/v1/block', { address: '192.0.2.1' })).toEqual({
      status: 200,
      body: { address: '192.0.2.1', until: null, warning },
    });
  });

  test('cannot be blocked when the list is full', async () => {
    await using api = await start({ block: async () => ({ ok: false, reason: 'full', detail: 'full' }) });
    expect(await api.post('/api/v1/block', { address: '192.0.2.1' })).toMatchObject({ status: 409 });
  });
});

test('lists connections and blocked addresses', async () => {
  await using api = await start();
  expect(JSON.parse((await ask(api.address, '/api/v1/connections')).body)).toEqual(CONNECTIONS);
  expect(JSON.parse((await ask(api.address, '/api/v1/blocked')).body)).toMatchObject({
    blocked: [{ address: '192.0.2.7' }, { address: '2001:db8::/32', until: null }],
  });
});

test('says so when the workers do not answer', async () => {
  await using api = await start({ connections: async () => undefined });
  expect(await ask(api.address, '/api/v1/connections')).toMatchObject({ status: 503 });
  expect(await ask(api.address, '/')).toMatchObject({ status: 200 });
});

test('says what is wrong with a configuration that was not taken', async () => {
  const problems = ['icapgw.yaml:3: error: no such file [ICAPGW_CONFIG_INVALID]'];
  await using api = await start({ reload: async () => ({ ok: false, problems }) });
  expect(await api.post('/api/v1/reload')).toEqual({ status: 422, body: { error: expect.any(String), problems } });
});

describe('what changes something', () => {
  test('is a POST, never a GET', async () => {
    await using api = await start();
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      expect(await ask(api.address, DRAIN, { method })).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    }
    expect(await api.post('/api/v1/status')).toMatchObject({ status: 405 });
    expect(api.told).toEqual([]);
  });

  test.each([
    { Origin: 'https://attacker.example' },
    { Origin: 'null' },
    { Origin: 'http://localhost:1' },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' },
  ])("never comes from another site's page: %j", async (headers) => {
    await using api = await start();
    expect(await api.post(DRAIN, undefined, { headers: headers as Record<string, string> })).toMatchObject({
      status: 403,
    });
    expect(api.told).toEqual([]);
    expect((await api.file.events()).at(-1)).toMatchObject({ event: 'admin-request-refused', reason: 'origin' });
  });

  test('may come from a page of its own', async () => {
    await using api = await start();
    const headers = { Origin: `http://${api.address}`, Host: api.address, 'Sec-Fetch-Site': 'same-origin' };
    expect(await api.post(DRAIN, undefined, { headers })).toMatchObject({ status: 200 });
  });

  test('has a body of JSON, which another site cannot send without asking', async () => {
    await using api = await start();
    const form = { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: '{"address":"192.0.2.1"}' };
    expect(await ask(api.address, '/api/v1/block', form)).toMatchObject({ status: 415 });
    for (const body of ['{', '[]', 'null', '"text"']) {
      const json = { method: 'POST', headers: { 'Content-Type': 'application/json; charset=utf-8' }, body };
      expect(await ask(api.address, '/api/v1/block', json)).toMatchObject({ status: 400 });
    }
    expect(api.told).toEqual([]);
  });

  test('has a body of at most 4 KiB', async () => {
    await using api = await start();
    const block = (length: number): Promise<{ readonly status: number }> => {
      const padding = 'x'.repeat(length - JSON.stringify({ address: '192.0.2.1', padding: '' }).length);
      return api.post('/api/v1/block', { address: '192.0.2.1', padding });
    };
    expect(await block(4096)).toMatchObject({ status: 200 });
    expect(await block(4097)).toMatchObject({ status: 413 });
    expect(api.told).toHaveLength(1);
  });
});

test('a link on another site may lead to the page, and its scripts may not read it', async () => {
  await using api = await start();
  const navigate = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' };
  expect(await ask(api.address, '/', { headers: navigate })).toMatchObject({ status: 200 });
  const script = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' };
  expect(await ask(api.address, '/api/v1/status', { headers: script })).toMatchObject({ status: 403 });
});
