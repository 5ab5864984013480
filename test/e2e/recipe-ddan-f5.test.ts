import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { certificates } from '../_util/certificates.ts';
import type { RunningGateway } from '../_util/e2e-gateway.ts';
import { type ScriptBackend, startScriptBackend } from '../_util/icap-script-backend.ts';
import { connectScriptClient, connectTlsScriptClient } from '../_util/icap-script-client.ts';
import { bytesOf, reqmod, respmod } from '../_util/icap-script-message.ts';
import { refusedAddress } from '../_util/icap-script-rig.ts';
import { startTlsIcapServer } from '../_util/icap-tls-server.ts';
import { exampleText, startExample } from '../_util/recipe.ts';
import { converse, freePorts, startServerProcess } from '../_util/server-process.ts';

const lab = certificates();
const hasHaproxy = process.env['CI'] !== undefined || existsSync('/usr/sbin/haproxy');
const MONITORS = ['icap', 'http', 'head'] as const;
const STATUS_COLUMN = 17;

/** Trend Micro's own sample of a finding, byte for byte. */
const FINDING_LINES = [
  'Server: Deep Discovery Analyzer 7.2 Build 1165',
  'X-Virus-ID: TROJ_FRS.0NA103DD20,TROJ_FRS.0NA104DD20',
  'X-Infection-Found: Type=0; Resolution=2; Threat=TROJ_FRS.0NA103DD20,TROJ_FRS.0NA104DD20;',
  'X-Response-Desc: URL: No risk rating from WRS; FILE: Detected by ATSE',
];
const PAGE_HEAD = 'HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n';
const FINDING = [
  'ICAP/1.0 200 OK',
  ...FINDING_LINES,
  'ISTag: "12.300.1011"',
  `Encapsulated: res-hdr=0, res-body=${PAGE_HEAD.length}`,
  '',
  `${PAGE_HEAD}7\r\nblocked\r\n0\r\n\r\n`,
].join('\r\n');

/** A REQMOD of LTM: no Host, the address of the pool member in the URI. */
function f5Request(port: number, preview: number, body: string): Buffer {
  const http = 'POST /upload HTTP/1.1\r\nHost: www.example\r\nContent-Type: application/octet-stream\r\n\r\n';
  const first = body.slice(0, preview);
  const chunk = first === '' ? '' : `${first.length.toString(16)}\r\n${first}\r\n`;
  return bytesOf(
    `REQMOD icap://127.0.0.1:${port}/request ICAP/1.0\r\nAllow: 204\r\nPreview: ${preview}\r\n` +
      `Encapsulated: req-hdr=0, req-body=${http.length}\r\n\r\n${http}${chunk}0${body.length <= preview ? '; ieof' : ''}\r\n\r\n`,
  );
}

async function startGateway(servers: readonly [string, string], changes: object = {}): Promise<RunningGateway> {
  return await startExample(
    'ddan-f5/icapgw.yaml',
    {
      '0.0.0.0:11344': '127.0.0.1:0',
      '10.0.1.10:1344': '127.0.0.1:0',
      '[10.0.1.2/32, 10.0.1.3/32]': '[127.0.0.1/32]',
      '/etc/icapgw/stunnel-key.pem': lab.server.combined,
      '/etc/icapgw/ca.pem': lab.ca.cert,
      '/etc/icapgw/ddan-1.pem': lab.selfSignedServer.cert,
      '10.0.0.5:11344': servers[0],
      '10.0.0.6:1344': servers[1],
    },
    { health: { interval: '100ms', rise: 1, fall: 1 }, ...changes },
  );
}

/** haproxy with the example's monitors, and the states that they find. */
async function startHaproxy(gateway: RunningGateway) {
  const folder = mkdtempSync(join(tmpdir(), 'icapgw-haproxy-'));
  const ports = await freePorts(3);
  const socket = join(folder, 'admin.sock');
  const text = exampleText('ddan-f5/haproxy.cfg', {
    '/run/haproxy/admin.sock': socket,
    '127.0.0.1:13441': `127.0.0.1:${ports[0]}`,
    '127.0.0.1:13442': `127.0.0.1:${ports[1]}`,
    '127.0.0.1:13443': `127.0.0.1:${ports[2]}`,
    '10.0.1.10:1344': `127.0.0.1:${gateway.port('ddan-clear')}`,
    '10.0.1.11:1344': await refusedAddress(),
    'icapgw.example:11344': `127.0.0.1:${gateway.port('ddan')}`,
    'verifyhost icapgw.example': 'verifyhost localhost',
    '/etc/haproxy/client.pem': lab.client.combined,
    '/etc/haproxy/icapgw-ca.pem': lab.ca.cert,
    'inter 5s fall 3': 'inter 500ms fall 1',
  });
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, text);
  const running = startServerProcess('haproxy', ['-db', '-f', file]);
  await running.until(async (signal) => {
    while (!signal.aborted && !(await converse({ path: socket }, 'show stat\n', '\n\n')).includes('gateway-1')) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  return {
    port: ports[0] ?? 0,
    async states(): Promise<Readonly<Record<string, string>>> {
      const table = await converse({ path: socket }, 'show stat\n', '\n\n');
      const rows = table.split('\n').map((line) => line.split(','));
      const own = rows.filter(([, server]) => server === 'gateway-1');
      return Object.fromEntries(own.map((row) => [row[0] ?? '', (row[STATUS_COLUMN] ?? '').split(' ')[0] ?? '']));
    },
    async [Symbol.asyncDispose]() {
      await running.kill();
      rmSync(folder, { recursive: true });
    },
  };
}

const all = (state: string): Readonly<Record<string, string>> =>
  Object.fromEntries(MONITORS.map((name) => [name, state]));

describe.skipIf(!hasHaproxy)("F5's monitors, spoken by haproxy", () => {
  test('find the gateway up while one analyzer is, and down while none is', async () => {
    const ddan = await startScriptBackend();
    await using gateway = await startGateway([await refusedAddress(), ddan.address]);
    await using pool = await startHaproxy(gateway);
    await vi.waitFor(async () => expect(await pool.states()).toEqual(all('UP')), { timeout: 20_000 });
    await ddan[Symbol.asyncDispose]();
    await vi.waitFor(async () => expect(await pool.states()).toEqual(all('DOWN')), { timeout: 20_000 });
  });

  test('leave a way for the requests of LTM, with each size of preview', async () => {
    await using ddan = await startScriptBackend();
    await using gateway = await startGateway([await refusedAddress(), ddan.address]);
    await using pool = await startHaproxy(gateway);
    await vi.waitFor(async () => expect(await pool.states()).toMatchObject({ icap: 'UP' }), { timeout: 20_000 });
    await using client = await connectScriptClient(pool.port);
    for (const preview of [0, 4, 1024]) {
      expect((await client.ask(f5Request(gateway.port('ddan-clear'), preview, 'harmless'))).status).toBe(204);
    }
    expect(ddan.exchanges.map(({ head }) => head.preview)).toEqual([0, 4, 1024]);
    for (const { headText } of ddan.exchanges) {
      expect(headText.split('\r\n')[0]).toBe(`REQMOD icap://${ddan.address}/request ICAP/1.0`);
      expect(headText).toContain(`\r\nHost: ${ddan.address}\r\n`);
    }
  });
});

describe('the example for DDAN behind BIG-IP', () => {
  test('hands the headers of a finding on byte for byte', async () => {
    await using ddan = await startScriptBackend(async (exchange) => {
      await exchange.body();
      exchange.send(FINDING);
    });
    await using gateway = await startGateway([await refusedAddress(), ddan.address]);
    await using client = await connectTlsScriptClient(gateway.port('ddan'), lab.client);
    for (const path of ['/request', '/REQMOD']) {
      const found = await client.ask(reqmod({ path, lines: ['Allow: 204'], body: 'malicious' }));
      expect(found.section('res-hdr')).toBe(PAGE_HEAD);
      expect(found.body.toString()).toBe('blocked');
    }
    const received = client.received.toString('latin1');
    for (const line of FINDING_LINES) expect(received.split(`\r\n${line}\r\n`)).toHaveLength(3);
    expect(ddan.exchanges.map(({ head }) => head.uri.path)).toEqual(['/request', '/request']);
    expect(await gateway.metric('icapgw_icap_verdicts_total', { verdict: 'blocked' })).toBe(2);
  });

  test('keeps what needs no sandbox from it', async () => {
    await using ddan: ScriptBackend = await startScriptBackend();
    await using gateway = await startGateway([await refusedAddress(), ddan.address], { limits: { body: '1KiB' } });
    await using client = await connectScriptClient(gateway.port('ddan-clear'));
    const lines = ['Allow: 204'];
    const video = 'HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n';
    const large = 'HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n';
    const path = '/response';
    expect((await client.ask(respmod({ path, lines, 'res-hdr': video, body: 'xxxx' }))).status).toBe(204);
    expect((await client.ask(respmod({ path, lines }))).status).toBe(204);
    expect((await client.ask(respmod({ path, lines, 'res-hdr': large, body: 'x'.repeat(2000) }))).status).toBe(204);
    expect(ddan.exchanges).toEqual([]);
    expect(await gateway.metric('icapgw_icap_verdicts_total', { verdict: 'bypassed' })).toBe(3);
    expect((await client.ask(respmod({ path, lines, body: 'x' }))).status).toBe(204);
    expect(ddan.exchanges).toHaveLength(1);
  });

  test('speaks TLS with the analyzer whose certificate is pinned, and with no other', async () => {
    await using right = await startTlsIcapServer(lab.selfSignedServer);
    await using gateway = await startGateway([`127.0.0.1:${right.port}`, await refusedAddress()]);
    await using client = await connectScriptClient(gateway.port('ddan-clear'));
    expect((await client.ask(reqmod({ path: '/request', lines: ['Allow: 204'], body: 'harmless' }))).status).toBe(204);
    expect(await gateway.metric('icapgw_icap_requests_total', { backend: 'ddan-1', status: '204' })).toBe(1);

    await using wrong = await startTlsIcapServer(lab.server);
    const nobody = await startGateway([`127.0.0.1:${wrong.port}`, await refusedAddress()], { 'when-down': 'error' });
    await using gone = nobody;
    await using other = await connectScriptClient(gone.port('ddan-clear'));
    expect((await other.ask(reqmod({ path: '/request', body: 'harmless' }))).status).toBeGreaterThanOrEqual(500);
  });

  test.each([
    { action: 'ignore', policy: 'bypass', status: 204 },
    { action: 'ignore, by BIG-IP', policy: 'error', status: 503 },
    { action: 'a page', policy: 'block', status: 200 },
  ])('does $action with when-down: $policy', async ({ policy, status }) => {
    const nobody = await refusedAddress();
    await using gateway = await startGateway([nobody, nobody], { 'when-down': policy });
    await gateway.waitForEvent('backend-state', ({ backend, to }) => backend === 'ddan-1' && to === 'down');
    await gateway.waitForEvent('backend-state', ({ backend, to }) => backend === 'ddan-2' && to === 'down');
    await using client = await connectScriptClient(gateway.port('ddan-clear'));
    const told = await client.ask(reqmod({ path: '/request', lines: ['Allow: 204'], body: 'harmless' }));
    expect([status, status === 503 ? 502 : status]).toContain(told.status);
  });

  test('does drop and reset with when-down: reset', async () => {
    const nobody = await refusedAddress();
    await using gateway = await startGateway([nobody, nobody], { 'when-down': 'reset' });
    await using client = await connectScriptClient(gateway.port('ddan-clear'));
    await client.send(reqmod({ path: '/request', lines: ['Allow: 204'], body: 'harmless' }));
    expect(await client.gone).toBe('reset');
  });
});
