import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { addProbeCommand } from '../../src/cli/probe.ts';
import { certificates } from '../_util/certificates.ts';
import { runCli } from '../_util/cli-recorder.ts';
import type { RunningGateway } from '../_util/e2e-gateway.ts';
import { accessLines } from '../_util/e2e-icap.ts';
import { type ScriptBackend, saying, startScriptBackend, unmodified } from '../_util/icap-script-backend.ts';
import { connectTlsScriptClient } from '../_util/icap-script-client.ts';
import { answer, reqmod, respmod } from '../_util/icap-script-message.ts';
import { startExample } from '../_util/recipe.ts';

const lab = certificates();
const SECRET = 'card 4111 1111 1111 1111';
const PAGE = 'Your web posting was blocked because it violated the company security policies.';
const PAGE_HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Odd:  two  blanks \r\n\r\n';
const MAX_CONNECTIONS = 4;
const PATIENTLY = { timeout: 20_000 };

/** As Network Prevent for Web answers: a block is a page with the HTTP status 200, and nothing else says so. */
const detect: ScriptBackend['script'] = async (exchange) => {
  if (exchange.head.method !== 'REQMOD') return unmodified(exchange);
  const body = await exchange.body();
  if (!body.includes(SECRET)) return unmodified(exchange);
  exchange.send(answer(200, [], { 'res-hdr': PAGE_HEAD, body: PAGE }));
};

describe('the example for Symantec DLP', () => {
  let servers: readonly ScriptBackend[];
  let gateway: RunningGateway;

  beforeAll(async () => {
    const start = async (): Promise<ScriptBackend> => {
      const server = await startScriptBackend(detect);
      // Each of them would take both: it is the routes that keep them apart.
      server.optionsScript = (exchange) => {
        const method = exchange.head.uri.path === '/respmod' ? 'RESPMOD' : 'REQMOD';
        return saying(`Methods: ${method}`, 'Allow: 204', `Max-Connections: ${MAX_CONNECTIONS}`)(exchange);
      };
      return server;
    };
    servers = [await start(), await start(), await start()];
    gateway = await startExample(
      'symantec/icapgw.yaml',
      {
        '0.0.0.0:11344': '127.0.0.1:0',
        '/etc/icapgw/stunnel-key.pem': lab.server.combined,
        '/etc/icapgw/MCASCAfile.pem': lab.client.cert,
        ...Object.fromEntries(servers.map(({ address }, index) => [`10.0.0.${5 + index}:1344`, address])),
      },
      {},
      { log: { access: '-' } },
    );
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    for (const server of servers) await server[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    for (const server of servers) server.script = detect;
  });

  const connect = () => connectTlsScriptClient(gateway.port('dlp'), lab.client);
  const countOf = (method: string): readonly number[] =>
    servers.map(({ exchanges }) => exchanges.filter(({ head }) => head.method === method).length);

  test('never gives one server both REQMOD and RESPMOD', async () => {
    const lines = ['Allow: 204'];
    const ask = async (request: Buffer): Promise<number> => {
      await using client = await connect();
      return (await client.ask(request)).status;
    };
    // At one time, so that least-connections would use every server that it may.
    const requests = Array.from({ length: 8 }, () => [reqmod({ lines, body: 'x' }), respmod({ lines, body: 'x' })]);
    expect(new Set(await Promise.all(requests.flat().map(ask)))).toEqual(new Set([204]));
    await using client = await connect();
    const [first = 0, second = 0, third] = countOf('REQMOD');
    expect({ total: first + second, third }).toEqual({ total: 8, third: 0 });
    expect(countOf('RESPMOD')).toEqual([0, 0, 8]);
    expect((await client.ask(respmod({ path: '/reqmod', body: 'harmless' }))).status).toBe(405);
  });

  test('passes a block page with HTTP 200 on byte for byte, and counts it as blocked', async () => {
    await using client = await connect();
    const page = await client.ask(reqmod({ lines: ['Allow: 204'], body: SECRET }));
    expect(page.status).toBe(200);
    expect(page.section('res-hdr')).toBe(PAGE_HEAD);
    expect(page.body.toString()).toBe(PAGE);
    await vi.waitFor(async () => {
      expect(accessLines(gateway).at(-1)).toMatchObject({
        method: 'REQMOD',
        verdict: 'blocked',
        status: 200,
        httpStatus: 200,
      });
      expect(await gateway.metric('icapgw_icap_verdicts_total', { verdict: 'blocked' })).toBe(1);
    }, PATIENTLY);
  });

  test('is found well by the probe, whose files have the names that cloud clients give them', async () => {
    const url = `icaps://localhost:${gateway.port('dlp')}`;
    const args = ['probe', url, '--profile', 'symantec', '--ca', lab.ca.cert, '--cert', lab.client.combined];
    const blocked = await runCli([...args, '--text', SECRET], addProbeCommand, { cwd: '/' });
    expect(blocked.stdout).toMatch(/^BLOCKED {4}\(ICAP 200, HTTP 200\)/m);
    expect(blocked.exitCode).toBe(3);
    const all = await runCli([...args, '--all', '--method', 'reqmod'], addProbeCommand, { cwd: '/' });
    expect(all.exitCode).toBe(0);
    expect(all.stdout).toMatch(/^REQMOD {3}EICAR test string +no .*passes/m);
    await vi.waitFor(
      () => expect(accessLines(gateway).map(({ http }) => http)).toContain('POST http://misc/probe.txt'),
      PATIENTLY,
    );
    const sent = servers.slice(0, 2).flatMap(({ exchanges }) => exchanges.map(({ headText }) => headText));
    expect(sent.some((head) => /^X-Authenticated-User: \S+\r$/m.test(head))).toBe(true);
  });

  test('tells clients how many connections all servers of a kind take, and queues what is more', async () => {
    await using asking = await connect();
    const told = await asking.ask(Buffer.from('OPTIONS icap://h/reqmod ICAP/1.0\r\nHost: h\r\n\r\n'));
    // One of each is kept for the health checks.
    const room = 2 * (MAX_CONNECTIONS - 1);
    expect(told.field('max-connections')).toBe(String(room));
    const { promise: go, resolve } = Promise.withResolvers<void>();
    for (const server of servers) {
      server.script = async (exchange) => {
        await exchange.body();
        await go;
        exchange.send(answer(204));
      };
    }
    const before = countOf('REQMOD').reduce((sum, count) => sum + count);
    const asked = Array.from({ length: room + 2 }, async () => {
      await using client = await connect();
      return (await client.ask(reqmod({ lines: ['Allow: 204'], body: 'harmless' }))).status;
    });
    const underWay = (): number => countOf('REQMOD').reduce((sum, count) => sum + count) - before;
    await vi.waitFor(async () => {
      expect(underWay()).toBe(room);
      expect(await gateway.metric('icapgw_icap_queue_depth', { service: 'dlp' })).toBe(2);
    }, PATIENTLY);
    for (const { peak } of servers) expect(peak).toBeLessThanOrEqual(MAX_CONNECTIONS - 1);
    resolve();
    expect(new Set(await Promise.all(asked))).toEqual(new Set([204]));
  });

  test('leaves the decision to the client while nobody can judge', async () => {
    for (const server of servers.slice(0, 2)) await server[Symbol.asyncDispose]();
    await using client = await connect();
    const refused = await client.ask(reqmod({ lines: ['Allow: 204'], body: 'harmless' }));
    expect([502, 503]).toContain(refused.status);
    await using other = await connect();
    expect((await other.ask(respmod({ lines: ['Allow: 204'], body: 'harmless' }))).status).toBe(204);
  });
});
