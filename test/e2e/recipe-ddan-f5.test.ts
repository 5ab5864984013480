import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { LabIdentity } from '../_util/certificate-lab.ts';
import { certificates } from '../_util/certificates.ts';
import type { RunningGateway } from '../_util/e2e-gateway.ts';
import { type ScriptBackend, startScriptBackend } from '../_util/icap-script-backend.ts';
import { connectScriptClient, connectTlsScriptClient } from '../_util/icap-script-client.ts';
import { answer, bytesOf, reqmod, respmod } from '../_util/icap-script-message.ts';
import { REFUSED_ADDRESS } from '../_util/icap-script-rig.ts';
import { startTlsIcapServer } from '../_util/icap-tls-server.ts';
import { openssl } from '../_util/openssl.ts';
import { exampleText, type Replacements, startExample } from '../_util/recipe.ts';
import { converse, freePorts, startServerProcess } from '../_util/server-process.ts';

const lab = certificates();
const hasHaproxy = process.env['CI'] !== undefined || existsSync('/usr/sbin/haproxy');
const MONITORS = ['icap', 'http', 'head'] as const;
const STATUS_COLUMN = 17;
const CHECK_COLUMN = 36;
const PIN = '/etc/icapgw/ddan-1.pem, trust: pin';
/** How a video in MP4 begins. */
const MP4 = `\0\0\0\x18ftypisom\0\0\x02\0isomiso2${'\0'.repeat(64)}`;

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

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A certificate that nobody else has signed. */
function makeOwn(): LabIdentity {
  const folder = mkdtempSync(join(tmpdir(), 'icapgw-own-'));
  folders.push(folder);
  const own = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), combined: join(folder, 'both.pem') };
  const made = openssl(
    ...['req', '-new', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=ddan', '-days', '30'],
    ...['-keyout', own.key, '-out', own.cert],
  );
  expect(made.exitCode, made.output).toBe(0);
  return own;
}

async function startGateway(
  servers: readonly [string, string],
  changes: object = {},
  replacements: Replacements = {},
): Promise<RunningGateway> {
  return await startExample(
    'ddan-f5/icapgw.yaml',
    {
      '0.0.0.0:11344': '127.0.0.1:0',
      '10.0.1.10:1344': '127.0.0.1:0',
      '[10.0.1.2/32, 10.0.1.3/32]': '[127.0.0.1/32]',
      '/etc/icapgw/stunnel-key.pem': lab.server.combined,
      '/etc/icapgw/ca.pem': lab.ca.cert,
      '10.0.0.5:11344': servers[0],
      '10.0.0.6:1344': servers[1],
      [PIN]: `${lab.selfSignedServer.cert}, trust: pin`,
      ...replacements,
    },
    { health: { interval: '100ms', rise: 1, fall: 1 }, ...changes },
  );
}

/** What the last check of a server found. Before the first one haproxy has it UP too. */
function stateOf(row: readonly string[]): string {
  const [state = ''] = (row[STATUS_COLUMN] ?? '').split(' ');
  return state === 'UP' && !row[CHECK_COLUMN]?.includes('L7OK') ? 'unchecked' : state;
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
    '10.0.1.11:1344': REFUSED_ADDRESS,
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
      return Object.fromEntries(own.map((row) => [row[0] ?? '', stateOf(row)]));
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
    await using gateway = await startGateway([REFUSED_ADDRESS, ddan.address]);
    await using pool = await startHaproxy(gateway);
    await vi.waitFor(async () => expect(await pool.states()).toEqual(all('UP')), { timeout: 20_000 });
    await ddan[Symbol.asyncDispose]();
    await vi.waitFor(async () => expect(await pool.states()).toEqual(all('DOWN')), { timeout: 20_000 });
  });

  test('leave a way for the requests of LTM, with each size of preview', async () => {
    await using ddan = await startScriptBackend();
    await using gateway = await startGateway([REFUSED_ADDRESS, ddan.address]);
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
    await using gateway = await startGateway([REFUSED_ADDRESS, ddan.address]);
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
    await using gateway = await startGateway([REFUSED_ADDRESS, ddan.address], { limits: { body: '1KiB' } });
    await using client = await connectScriptClient(gateway.port('ddan-clear'));
    const lines = ['Allow: 204'];
    const video = 'HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n';
    const large = 'HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n';
    const path = '/response';
    expect((await client.ask(respmod({ path, lines, 'res-hdr': video, body: 'xxxx' }))).status).toBe(204);
    expect((await client.ask(respmod({ path, lines }))).status).toBe(204);
    expect((await client.ask(respmod({ path, lines, 'res-hdr': large, body: 'x'.repeat(2000) }))).status).toBe(204);
    // Whatever its sender calls it.
    expect((await client.ask(respmod({ path, lines, body: MP4 }))).status).toBe(204);
    expect(ddan.exchanges).toEqual([]);
    for (const rule of ['content-type', 'url-only', 'on-oversize', 'file-type']) {
      expect(await gateway.metric('icapgw_icap_bypassed_total', { rule }), rule).toBe(1);
    }
    expect((await client.ask(respmod({ path, lines, body: 'x' }))).status).toBe(204);
    expect(ddan.exchanges).toHaveLength(1);
  });

  test.each([
    {
      what: 'its pinned certificate',
      shown: () => lab.selfSignedServer,
      trusted: (own: string) => `${own}, trust: pin`,
    },
    // Self-signed, a CA by its extensions, without a name that fits.
    {
      what: 'a pinned certificate as openssl makes it',
      shown: makeOwn,
      trusted: (own: string) => `${own}, trust: pin`,
    },
    { what: 'a certificate of a CA', shown: () => lab.server, trusted: () => lab.ca.cert },
  ])('speaks TLS with the analyzer that shows $what', async ({ shown, trusted }) => {
    const identity = shown();
    await using ddan = await startTlsIcapServer(identity);
    const servers = [`127.0.0.1:${ddan.port}`, REFUSED_ADDRESS] as const;
    await using gateway = await startGateway(servers, {}, { [PIN]: trusted(identity.cert) });
    await using client = await connectScriptClient(gateway.port('ddan-clear'));
    expect((await client.ask(reqmod({ path: '/request', lines: ['Allow: 204'], body: 'harmless' }))).status).toBe(204);
    expect(await gateway.metric('icapgw_icap_requests_total', { backend: 'ddan-1', status: '204' })).toBe(1);
  });

  test('speaks with no analyzer that shows another certificate', async () => {
    await using wrong = await startTlsIcapServer(lab.server);
    const servers = [`127.0.0.1:${wrong.port}`, REFUSED_ADDRESS] as const;
    await using gateway = await startGateway(servers, { 'when-down': 'error' });
    await using client = await connectScriptClient(gateway.port('ddan-clear'));
    expect((await client.ask(reqmod({ path: '/request', body: 'harmless' }))).status).toBeGreaterThanOrEqual(500);
  });

  test('asks an analyzer over no more connections than its limit, and lets the rest wait', async () => {
    await using ddan = await startScriptBackend();
    const { promise: judged, resolve } = Promise.withResolvers<void>();
    ddan.script = async (exchange) => {
      await exchange.body();
      await judged;
      exchange.send(answer(204));
    };
    const servers = [REFUSED_ADDRESS, ddan.address] as const;
    const limit = { 'max-connections: 900': 'max-connections: 2' };
    await using gateway = await startGateway(servers, { limits: { 'queue-timeout': '60s' } }, limit);
    const asked = Array.from({ length: 5 }, async () => {
      await using client = await connectScriptClient(gateway.port('ddan-clear'));
      return (await client.ask(reqmod({ path: '/request', lines: ['Allow: 204'], body: 'harmless' }))).status;
    });
    await vi.waitFor(
      async () => {
        const waiting = await gateway.metric('icapgw_icap_queue_depth', { service: 'ddan-clear' });
        expect(waiting + ddan.exchanges.length).toBe(5);
        expect(waiting).toBeGreaterThanOrEqual(3);
      },
      { timeout: 20_000 },
    );
    resolve();
    expect(await Promise.all(asked)).toEqual([204, 204, 204, 204, 204]);
    expect(ddan.peak).toBeLessThanOrEqual(2);
  });

  test.each([
    { action: 'ignore', policy: 'bypass', status: 204 },
    { action: 'ignore, by BIG-IP', policy: 'error', status: 503 },
    { action: 'a page', policy: 'block', status: 200 },
  ])('does $action with when-down: $policy', async ({ policy, status }) => {
    const nobody = REFUSED_ADDRESS;
    await using gateway = await startGateway([nobody, nobody], { 'when-down': policy });
    await gateway.waitForEvent('backend-state', ({ backend, to }) => backend === 'ddan-1' && to === 'down');
    await gateway.waitForEvent('backend-state', ({ backend, to }) => backend === 'ddan-2' && to === 'down');
    await using client = await connectScriptClient(gateway.port('ddan-clear'));
    const told = await client.ask(reqmod({ path: '/request', lines: ['Allow: 204'], body: 'harmless' }));
    expect([status, status === 503 ? 502 : status]).toContain(told.status);
  });

  test('does drop and reset with when-down: reset', async () => {
    const nobody = REFUSED_ADDRESS;
    await using gateway = await startGateway([nobody, nobody], { 'when-down': 'reset' });
    await using client = await connectScriptClient(gateway.port('ddan-clear'));
    await client.send(reqmod({ path: '/request', lines: ['Allow: 204'], body: 'harmless' }));
    expect(await client.gone).toBe('reset');
  });
});
