import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addProbeCommand } from '../../src/cli/probe.ts';
import type { ProbeReport } from '../../src/probe/probe.ts';
import { certificates } from '../_util/certificates.ts';
import { runCli } from '../_util/cli-recorder.ts';
import { startStunnelClient } from '../_util/e2e-client.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { tunnelConfig } from '../_util/e2e-tunnel.ts';
import { type CIcap, hasCIcap, runCIcapClient, startCIcap } from '../_util/icap-c-icap.ts';
import { createFolder, type TestFolder } from '../_util/observe-log.ts';

const lab = certificates();
const BODY = randomBytes(1024 * 1024);

let folder: TestFolder;
let file: string;

/** The built gateway in front of these servers; clients must show a certificate of the lab's CA. */
function startTunnel(servers: readonly CIcap[]): Promise<RunningGateway> {
  return startGateway(
    tunnelConfig(
      servers.map(({ port }) => ({ address: `127.0.0.1:${port}` })),
      {
        tls: { cert: lab.server.cert, key: lab.server.key, 'client-auth': { ca: lab.ca.cert } },
        health: { type: 'icap', path: '/echo', interval: '200ms', timeout: '2s', rise: 1, fall: 2 },
      },
    ),
  );
}

/** Probes `echo` through the gateway with the certificate of a client that it knows. */
async function probe(gateway: RunningGateway, ...args: readonly string[]) {
  const url = `icaps://127.0.0.1:${gateway.port('tunnel')}/echo`;
  const tls = ['--ca', lab.ca.cert, '--cert', lab.client.cert, '--key', lab.client.key];
  const record = await runCli(['probe', url, ...tls, ...args, '--json', '--verbose'], addProbeCommand, {
    cwd: folder.path,
  });
  const report: ProbeReport = JSON.parse(record.stdout);
  return { exitCode: record.exitCode, conversation: record.stderr, report };
}

beforeAll(async () => {
  folder = await createFolder();
  file = folder.file('body');
  await writeFile(file, BODY);
});
afterAll(() => folder[Symbol.asyncDispose]());

describe.skipIf(!hasCIcap)('a real c-icap behind the gateway', () => {
  let server: CIcap;
  let gateway: RunningGateway;

  beforeAll(async () => {
    server = await startCIcap(lab.rsaServer, lab.ca.cert);
    gateway = await startTunnel([server]);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test('tells its options', async () => {
    const { exitCode, report } = await probe(gateway);
    expect(exitCode).toBe(0);
    expect(report.tls).toMatchObject({ isVerified: true });
    expect(report.options).toMatchObject({ status: 200, methods: ['RESPMOD', 'REQMOD'], previewBytes: 1024 });
  });

  test.each(['reqmod', 'respmod'])(
    '%s of 1 MB: left alone after the preview, or continued and echoed',
    async (method) => {
      // The service answers previews with 100 and 204 in turns.
      const turns = [];
      for (let turn = 0; turn < 2; turn += 1) {
        const { exitCode, report, conversation } = await probe(gateway, '--method', method, '--file', file);
        expect({ exitCode, verdict: report.verdict }).toEqual({ exitCode: 0, verdict: 'allowed' });
        expect(report).toMatchObject({ previewBytes: 1024, document: { sizeBytes: BODY.length } });
        turns.push({ continued: /ICAP\/1\.0 100 /.test(conversation), icapStatus: report.icapStatus });
      }
      expect(turns).toContainEqual({ continued: true, icapStatus: 200 });
      expect(turns).toContainEqual({ continued: false, icapStatus: 204 });
    },
  );

  test('a client without a certificate never reaches it', async () => {
    const before = await gateway.metric('icapgw_backend_connections_total');
    const url = `icaps://127.0.0.1:${gateway.port('tunnel')}/echo`;
    const { exitCode } = await runCli(['probe', url, '--ca', lab.ca.cert], addProbeCommand, { cwd: folder.path });
    expect(exitCode).toBe(1);
    await gateway.waitForEvent('handshake-failed');
    expect(await gateway.metric('icapgw_backend_connections_total')).toBe(before);
  });

  test('c-icap-client comes through a real stunnel and gets back what it sent', async () => {
    await using stunnel = await startStunnelClient(gateway.port('tunnel'), lab.client);
    expect(await runCIcapClient(stunnel.port, 'echo', [])).toMatch(/Preview: 1024/);
    for (const extra of [[], ['-req', 'http://www.example/form', '-method', 'POST']]) {
      const echoed = folder.file(`echoed-${extra.length}`);
      const args = ['-f', file, '-o', echoed, '-no204', '-nopreview', ...extra];
      expect(await runCIcapClient(stunnel.port, 'echo', args)).toContain('ICAP/1.0 200');
      expect((await readFile(echoed)).equals(BODY)).toBe(true);
    }
  });
});

describe.skipIf(!hasCIcap)('of two real c-icap that are asked for OPTIONS', () => {
  test('the one that stops is reported, and transactions go on with the other', async () => {
    await using first = await startCIcap(lab.rsaServer, lab.ca.cert);
    await using servers = new AsyncDisposableStack();
    const second = servers.use(await startCIcap(lab.rsaServer, lab.ca.cert));
    await using gateway = await startTunnel([first, second]);
    const transact = async (): Promise<void> => {
      for (let turn = 0; turn < 4; turn += 1) expect((await probe(gateway, '--file', file)).exitCode).toBe(0);
    };
    const stopped = `127.0.0.1:${second.port}`;

    await transact();
    await gateway.waitForEvent('backend-connected', ({ backend }) => backend === stopped);

    await servers.disposeAsync();
    await transact();
    const change = await gateway.waitForEvent(
      'backend-state',
      ({ backend, to }) => backend === stopped && to === 'down',
    );
    expect(change).toMatchObject({ level: 'warning', from: 'up', service: 'tunnel' });
    await transact();
    expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(200);
  });
});
