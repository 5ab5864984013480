import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addProbeCommand } from '../../src/cli/probe.ts';
import { certificates } from '../_util/certificates.ts';
import { runCli } from '../_util/cli-recorder.ts';
import { startGatewayAsStunnel } from '../_util/differential-gateway.ts';
import { type RunningGateway, startGateway } from '../_util/e2e-gateway.ts';
import { backendsOn, icapService, mutualTls } from '../_util/e2e-icap.ts';
import { hasClamAv, type ScanningServer, startScanningServer } from '../_util/icap-clamav.ts';
import { exampleText, startExample } from '../_util/recipe.ts';

const lab = certificates();
const PATH = '/virus_scan';
const PROFILES = ['mcas', 'symantec', 'forcepoint', 'respmod', 'zscaler', 'umbrella', 'forcepoint-one', 'fortigate'];

/** The connectivity test: the certificate that the portal has, the client's own, and a verdict for EICAR. */
function probe(port: number, profile: string, args: readonly string[] = ['--eicar'], client = lab.client) {
  const tls = ['--ca', lab.server.cert, '--cert', client.combined];
  const url = `icaps://127.0.0.1:${port}${PATH}`;
  return runCli(['probe', url, '--profile', profile, ...tls, ...args], addProbeCommand, { cwd: '/' });
}

describe.skipIf(!hasClamAv)('cloud clients in front of two c-icap that scan', () => {
  let servers: readonly [ScanningServer, ScanningServer];

  beforeAll(async () => {
    const start = (): Promise<ScanningServer> => startScanningServer(lab.rsaServer, lab.ca.cert);
    servers = [await start(), await start()];
  });
  afterAll(async () => {
    for (const server of servers ?? []) await server[Symbol.asyncDispose]();
  });

  const addresses = () => ({
    '10.0.0.5:1344': `127.0.0.1:${servers[0].port}`,
    '10.0.0.6:1344': `127.0.0.1:${servers[1].port}`,
  });
  const startMcas = (): Promise<RunningGateway> =>
    startExample('cloud-clients/mcas.yaml', {
      '0.0.0.0:11344': '127.0.0.1:0',
      '/etc/icapgw/stunnel-key.pem': lab.server.combined,
      '/etc/icapgw/MCASCAfile.pem': lab.client.cert,
      ...addresses(),
    });

  test.each([
    { file: 'stunnel-mcas-linux.conf', cert: '/etc/ssl/private/stunnel-key.pem', ca: '/etc/ssl/certs/MCASCAfile.pem' },
    {
      file: 'stunnel-mcas-windows.conf',
      cert: 'C:\\Program Files (x86)\\stunnel\\config\\stunnel-key.pem',
      ca: 'C:\\Program Files (x86)\\stunnel\\config\\MCASCAfile.pem',
    },
  ])("Microsoft's configuration $file blocks EICAR for its client only", async ({ file, cert, ca }) => {
    const { '10.0.0.5:1344': first, ...second } = addresses();
    const text = exampleText(`cloud-clients/${file}`, {
      '0.0.0.0:11344': '127.0.0.1:0',
      '10.0.0.5:1344': first,
      ...(file.includes('linux') ? second : {}),
      [cert]: lab.server.combined,
      [ca]: lab.client.cert,
    });
    await using gateway = await startGatewayAsStunnel(text);
    expect((await probe(gateway.port, 'mcas')).exitCode).toBe(3);
    expect((await probe(gateway.port, 'mcas', [])).exitCode).toBe(0);
    expect((await probe(gateway.port, 'mcas', ['--eicar'], lab.secondClient)).exitCode).toBe(1);
  });

  test('two gateways with one configuration serve, and one alone when the other is gone', async () => {
    await using first = await startMcas();
    await using second = await startMcas();
    for (const gateway of [first, second]) expect((await probe(gateway.port('mcas'), 'mcas')).exitCode).toBe(3);
    expect((await probe(second.port('mcas'), 'mcas', ['--eicar'], lab.secondClient)).exitCode).toBe(1);
    const port = first.port('mcas');
    await first[Symbol.asyncDispose]();
    expect((await probe(port, 'mcas')).exitCode).toBe(1);
    expect((await probe(second.port('mcas'), 'mcas')).exitCode).toBe(3);
  });

  test('the file for Zscaler lets in the client that its CA signed and that is on the list', async () => {
    await using gateway = await startExample('cloud-clients/zscaler.yaml', {
      '0.0.0.0:11344': '127.0.0.1:0',
      '/etc/icapgw/stunnel-key.pem': lab.server.combined,
      '/etc/icapgw/zscaler-root.pem': lab.ca.cert,
      '/etc/icapgw/zscaler.crl.pem': lab.crl,
      'DNS:icap.zscaler.example': 'DNS:client.example',
      '198.51.100.0/24': '127.0.0.0/8',
      'dlp.internal.example:1344': `127.0.0.1:${servers[0].port}`,
    });
    const port = gateway.port('zscaler');
    expect((await probe(port, 'zscaler')).exitCode).toBe(3);
    expect((await probe(port, 'zscaler', [], lab.revokedClient)).exitCode).toBe(1);
    expect((await probe(port, 'zscaler', [], lab.secondClient)).exitCode).toBe(1);
  });

  test('the file for clients without a certificate asks the servers at their path, and only for those on its list', async () => {
    const start = (allowed: string): Promise<RunningGateway> =>
      startExample('cloud-clients/umbrella.yaml', {
        '0.0.0.0:11344': '127.0.0.1:0',
        '/etc/icapgw/stunnel-key.pem': lab.server.combined,
        '198.51.100.0/24': allowed,
        // They have one service for both methods.
        '/reqmod': PATH,
        '/respmod': PATH,
        ...addresses(),
      });
    const ask = (gateway: RunningGateway, profile: string): ReturnType<typeof runCli> => {
      const args = [
        'probe',
        `icaps://127.0.0.1:${gateway.port('cloud')}`,
        '--profile',
        profile,
        '--ca',
        lab.server.cert,
      ];
      return runCli([...args, '--eicar'], addProbeCommand, { cwd: '/' });
    };
    await using gateway = await start('127.0.0.0/8');
    for (const profile of ['umbrella', 'forcepoint-one', 'fortigate']) {
      expect({ profile, exitCode: (await ask(gateway, profile)).exitCode }).toEqual({ profile, exitCode: 3 });
    }
    await using other = await start('192.0.2.0/24');
    expect((await ask(other, 'umbrella')).exitCode).toBe(1);
  });

  test.each(['tunnel', 'icap'])('every profile has its verdicts through a gateway in mode %s', async (protocol) => {
    const health = { type: 'icap', path: PATH };
    const service = icapService('cloud', backendsOn(servers), { protocol, health, ...mutualTls() });
    await using gateway = await startGateway({ workers: 1, services: [service] });
    for (const profile of PROFILES) {
      const blocked = await probe(gateway.port('cloud'), profile);
      expect({ profile, exitCode: blocked.exitCode }).toEqual({ profile, exitCode: 3 });
      const allowed = await probe(gateway.port('cloud'), profile, []);
      expect({ profile, exitCode: allowed.exitCode }).toEqual({ profile, exitCode: 0 });
    }
    const all = await probe(gateway.port('cloud'), 'zscaler', ['--all']);
    expect(all.stdout).toMatch(/^WORKS {4}27 checks/m);
  });
});
