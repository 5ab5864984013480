import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addProbeCommand } from '../../src/cli/probe.ts';
import { certificates } from '../_util/certificates.ts';
import { runCli } from '../_util/cli-recorder.ts';
import type { RunningGateway } from '../_util/e2e-gateway.ts';
import { type ScriptBackend, startScriptBackend, unmodified } from '../_util/icap-script-backend.ts';
import { connectTlsScriptClient } from '../_util/icap-script-client.ts';
import { answer, blocked, reqmod, respmod } from '../_util/icap-script-message.ts';
import { startExample } from '../_util/recipe.ts';

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
    gateway = await startExample('forcepoint/icapgw.yaml', {
      '0.0.0.0:11344': '127.0.0.1:0',
      '/etc/icapgw/stunnel-key.pem': lab.server.combined,
      '/etc/icapgw/MCASCAfile.pem': lab.client.cert,
      '10.0.0.5:1344': servers[0].address,
      '10.0.0.6:1344': servers[1].address,
    });
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    for (const server of servers) await server[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    for (const server of servers) server.script = enforce;
  });

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
    servers[0].script = async (exchange) => {
      await exchange.body();
      exchange.send(answer(500));
    };
    for (let turn = 0; turn < 3; turn += 1) expect((await probe('--text', SECRET)).exitCode).toBe(3);
  });

  test('lets nothing pass while nobody can judge', async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
    const { exitCode, stdout } = await probe();
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: expect.stringContaining('(ICAP 200, HTTP 403)') });
  });
});
