import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { addProbeCommand } from '../../src/cli/probe.ts';
import { certificates } from '../_util/certificates.ts';
import { runCli } from '../_util/cli-recorder.ts';
import type { RunningGateway } from '../_util/e2e-gateway.ts';
import { type ScriptBackend, startScriptBackend, unmodified } from '../_util/icap-script-backend.ts';
import { connectTlsScriptClient } from '../_util/icap-script-client.ts';
import { answer, blocked, reqmod, respmod } from '../_util/icap-script-message.ts';
import { type Replacements, startExample } from '../_util/recipe.ts';

const lab = certificates();
const SECRET = 'confidential';

/** In its blocking mode; in the monitoring mode all is allowed. */
const enforce: ScriptBackend['script'] = async (exchange) => {
  const body = await exchange.body();
  if (!body.includes(SECRET)) return unmodified(exchange);
  exchange.send(blocked('Forcepoint'));
};

describe('the example for Forcepoint DLP', () => {
  let servers: readonly [ScriptBackend, ScriptBackend];
  let gateway: RunningGateway;

  beforeAll(async () => {
    servers = [await startScriptBackend(enforce), await startScriptBackend(enforce)];
    gateway = await start(...servers);
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    for (const server of servers) await server[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    for (const server of servers) server.script = enforce;
  });

  function start(first: ScriptBackend, second: ScriptBackend, limits: Replacements = {}): Promise<RunningGateway> {
    return startExample('forcepoint/icapgw.yaml', {
      '0.0.0.0:11344': '127.0.0.1:0',
      '/etc/icapgw/stunnel-key.pem': lab.server.combined,
      '/etc/icapgw/MCASCAfile.pem': lab.client.cert,
      '10.0.0.5:1344': first.address,
      '10.0.0.6:1344': second.address,
      ...limits,
    });
  }

  const connect = () => connectTlsScriptClient(gateway.port('forcepoint'), lab.client);

  function probe(...args: readonly string[]) {
    const url = `icaps://localhost:${gateway.port('forcepoint')}`;
    const tls = ['--ca', lab.ca.cert, '--cert', lab.client.combined];
    return runCli(['probe', url, '--profile', 'forcepoint', ...tls, ...args], addProbeCommand, { cwd: '/' });
  }

  test('asks the servers at their path, whatever the client was set up with', async () => {
    await using client = await connect();
    for (const path of ['/', '/icap', '/some/thing?x=1']) {
      expect((await client.ask(reqmod({ path, lines: ['Allow: 204'], body: 'harmless' }))).status).toBe(204);
    }
    const heads = servers.flatMap(({ exchanges }) => exchanges.map(({ headText }) => headText.split('\r\n')[0]));
    expect(heads).toHaveLength(3);
    for (const head of heads) expect(head).toMatch(/^REQMOD icap:\/\/127\.0\.0\.1:\d+\/reqmod(?:\?x=1)? ICAP\/1\.0$/);
    expect((await client.ask(respmod({ body: 'harmless' }))).status).toBe(405);
  });

  test('names the user as the server reads it, and hands the address of the client on', async () => {
    await using client = await connect();
    const lines = ['Allow: 204', 'X-Client-IP: 192.0.2.7', 'X-Client-Username: CORP\\alice'];
    await client.ask(reqmod({ lines, body: 'harmless' }));
    const user = Buffer.from('WinNT://CORP/alice').toString('base64');
    const head = servers
      .flatMap(({ exchanges }) => exchanges.map(({ headText }) => headText))
      .find((text) => text.includes(user));
    expect(head).toContain(`X-Authenticated-User: ${user}\r\n`);
    expect(head).toContain('X-Client-IP: 192.0.2.7\r\n');
    expect(head).not.toMatch(/X-Client-Username/i);
  });

  test('blocks in the blocking mode, which the probe tells from the monitoring mode', async () => {
    expect((await probe('--text', SECRET)).exitCode).toBe(3);
    for (const server of servers) server.script = unmodified;
    expect((await probe('--text', SECRET)).exitCode).toBe(0);
    for (const server of servers) server.script = enforce;
    const all = await probe('--all', '--method', 'reqmod');
    expect(all.stdout).toMatch(/^WORKS /m);
  });

  test('asks the other server where one fails', async () => {
    const [failing, working] = servers;
    const answered = working.exchanges.length;
    let failures = 0;
    failing.script = async (exchange) => {
      failures += 1;
      await exchange.body();
      exchange.send(answer(500));
    };
    // A block page of the gateway's own would not let the harmless ones pass.
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await probe()).exitCode).toBe(0);
      expect((await probe('--text', SECRET)).exitCode).toBe(3);
    }
    expect(failures).toBeGreaterThan(0);
    expect(working.exchanges.length - answered).toBe(6);
  });

  test('lets requests above the limit of the servers wait', async () => {
    const { promise: judged, resolve } = Promise.withResolvers<void>();
    const waitFor: ScriptBackend['script'] = async (exchange) => {
      await exchange.body();
      await judged;
      exchange.send(answer(204));
    };
    await using busy = await startScriptBackend(waitFor);
    await using other = await startScriptBackend(waitFor);
    await using limited = await start(busy, other, { 'max-connections: 50': 'max-connections: 1' });
    const asked = Array.from({ length: 4 }, async () => {
      await using client = await connectTlsScriptClient(limited.port('forcepoint'), lab.client);
      return (await client.ask(reqmod({ lines: ['Allow: 204'], body: 'harmless' }))).status;
    });
    await vi.waitFor(
      async () => expect(await limited.metric('icapgw_icap_queue_depth', { service: 'forcepoint' })).toBe(2),
      { timeout: 20_000 },
    );
    resolve();
    expect(await Promise.all(asked)).toEqual([204, 204, 204, 204]);
    expect([busy.peak, other.peak]).toEqual([1, 1]);
  });

  test('lets nothing pass while nobody can judge', async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
    const { exitCode, stdout } = await probe();
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: expect.stringContaining('(ICAP 200, HTTP 403)') });
  });
});
