import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { addProbeCommand } from '../../src/cli/probe.ts';
import { EICAR } from '../../src/demo/eicar.ts';
import { certificates } from '../_util/certificates.ts';
import { runCli } from '../_util/cli-recorder.ts';
import type { RunningGateway } from '../_util/e2e-gateway.ts';
import { hasClamAv, type ScanningServer, startScanningServer } from '../_util/icap-clamav.ts';
import { EXAMPLES, exampleText, startExample } from '../_util/recipe.ts';

const lab = certificates();
const FOLDER = join(EXAMPLES, 'clamav');
const PATIENTLY = { timeout: 20_000 };
const DEBIAN = '/etc/c-icap';

/** The lines of Debian's c-icap.conf that are not about this one machine, and the include that the recipe adds. */
function debianLines(folder: string): readonly string[] {
  const own = /^(?:PidFile|CommandsSocket|Port|User|Group|TmpDir|ServerLog|AccessLog|StartServers|MaxServers)\s/;
  const lines = readFileSync(join(DEBIAN, 'c-icap.conf'), 'utf8').split('\n');
  return [...lines.filter((line) => !own.test(line) && !line.startsWith('#')), `Include ${folder}/icapgw-scan.conf`];
}

describe.skipIf(!hasClamAv)("Debian's c-icap with the lines of the recipe", () => {
  let folder: string;
  let server: ScanningServer;
  let gateway: RunningGateway;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'icapgw-recipe-'));
    cpSync(DEBIAN, folder, { recursive: true });
    server = await startScanningServer(lab.rsaServer, lab.ca.cert, (socket) => {
      const text = exampleText('clamav/icapgw-scan.conf', { '/var/run/clamav/clamd.ctl': socket });
      // Where c-icap looks for files that are included is compiled in.
      writeFileSync(join(folder, 'icapgw-scan.conf'), text.replaceAll(/^Include /gm, `Include ${DEBIAN}/`));
      return { lines: debianLines(folder), service: 'avscan' };
    });
    gateway = await startExample(
      'clamav/icapgw.yaml',
      {
        '0.0.0.0:11344': '127.0.0.1:0',
        '127.0.0.1:1344': `127.0.0.1:${server.port}`,
        '/etc/icapgw/stunnel-key.pem': lab.server.combined,
        '/etc/icapgw/ca.pem': lab.ca.cert,
      },
      { health: { interval: '100ms' } },
    );
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  function probe(...args: readonly string[]) {
    const tls = ['--ca', lab.ca.cert, '--cert', lab.client.combined];
    const url = `icaps://localhost:${gateway.port('scan')}`;
    return runCli(['probe', url, '--profile', 'clamav', ...tls, ...args], addProbeCommand, { cwd: '/' });
  }

  test('blocks EICAR through the gateway, and passes what is harmless', async () => {
    const blocked = await probe('--eicar');
    expect(blocked.exitCode).toBe(3);
    expect(blocked.stdout).toMatch(/^BLOCKED {4}Own\.Test\.Eicar\.UNOFFICIAL/m);
    expect((await probe()).exitCode).toBe(0);
  });

  test('lets nothing of a large document out before all of it is judged', async () => {
    // Above what Debian's own configuration holds back, with the virus at the end.
    const file = join(folder, 'large.txt');
    writeFileSync(file, `${'harmless '.repeat(500_000)}${EICAR}`);
    const { exitCode, stdout } = await probe('--file', file);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 3,
      stdout: expect.stringMatching(/^BLOCKED {4}Own\.Test\.Eicar/m),
    });
  });

  test('does everything that clients ask for, with and without the gateway', async () => {
    const through = await probe('--all');
    expect(through.stdout).toMatch(/^WORKS {4}27 checks/m);
    const url = `icap://127.0.0.1:${server.port}`;
    const direct = await runCli(['probe', url, '--profile', 'clamav', '--all'], addProbeCommand, { cwd: '/' });
    expect(direct.stdout).toMatch(/^WORKS {4}27 checks/m);
  });

  test('lets nothing pass while clamd is dead', async () => {
    await server.clamd.kill();
    const url = `icap://127.0.0.1:${server.port}`;
    const direct = await runCli(['probe', url, '--profile', 'clamav'], addProbeCommand, { cwd: '/' });
    expect(direct).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(
        /^NO VERDICT ICAP 500 Server error after \d+ ms: c-icap runs, and clamd did not scan this/m,
      ),
    });
    await gateway.waitForEvent('backend-state', ({ to }) => to !== 'up');
    const { exitCode, stdout } = await probe();
    expect({ exitCode, stdout }).toMatchObject({ exitCode: 3, stdout: expect.stringContaining('HTTP 403') });
    await server.clamd.start();
  });

  test('lets nothing pass where c-icap started before clamd, and passes everything by itself', async () => {
    await server.clamd.kill();
    await server.kill();
    await server.start();
    await server.clamd.start();
    const url = `icap://127.0.0.1:${server.port}`;
    const direct = await runCli(['probe', url, '--profile', 'clamav', '--eicar'], addProbeCommand, { cwd: '/' });
    expect(direct.exitCode).toBe(0);
    await expect.poll(async () => (await probe('--eicar')).stdout, PATIENTLY).toContain('(ICAP 200, HTTP 403)');
    await server.kill();
    await server.start();
    await expect.poll(async () => (await probe('--eicar')).stdout, PATIENTLY).toMatch(/^BLOCKED {4}Own/m);
  });
});

describe('the files of the recipe', () => {
  test('are all there that the compose file wants', () => {
    const { services } = parse(readFileSync(join(FOLDER, 'compose.yaml'), 'utf8'), { merge: true });
    expect(existsSync(join(FOLDER, services.icapgw.build.context, services.icapgw.build.dockerfile))).toBe(true);
    expect(services.icapgw.volumes[0]).toBe('./icapgw-compose.yaml:/etc/icapgw.yaml:ro');
    const copied = [...readFileSync(join(FOLDER, 'Dockerfile'), 'utf8').matchAll(/^COPY (\S+)/gm)].map(
      ([, file]) => file,
    );
    expect(copied.filter((file) => !existsSync(join(FOLDER, file ?? '')))).toEqual([]);
  });

  test('publish icapgw alone, on a network where each finds the other by its name', () => {
    const { services } = parse(readFileSync(join(FOLDER, 'compose.yaml'), 'utf8'), { merge: true });
    expect(services.icapgw.ports).toEqual(['11344:11344']);
    expect(services.scanner.ports).toBeUndefined();
    expect(Object.values<object>(services).filter((service) => 'network_mode' in service)).toEqual([]);
    const { port, hostname } = new URL(services.probe.command[1].replace('icaps:', 'https:'));
    expect({ port, known: hostname in services }).toEqual({ port: '11344', known: true });
    expect(services.certificates.command.join(' ')).toContain(`DNS:${hostname}`);
  });

  test('have one configuration, with the scanner on this machine or by its name', () => {
    const forCompose = parse(exampleText('clamav/icapgw-compose.yaml', { 'scanner:1344': '127.0.0.1:1344' }));
    expect(forCompose).toEqual(parse(exampleText('clamav/icapgw.yaml', {})));
  });

  test('make certificates with options that there are', async () => {
    const { services } = parse(readFileSync(join(FOLDER, 'compose.yaml'), 'utf8'));
    const { addGenCertCommand } = await import('../../src/cli/gen-cert.ts');
    const folder = mkdtempSync(join(tmpdir(), 'icapgw-recipe-'));
    const args = services.certificates.command.map((arg: string) => arg.replace('/etc/icapgw', folder));
    expect((await runCli(args, addGenCertCommand, { cwd: folder })).exitCode ?? 0).toBe(0);
    for (const file of ['stunnel-key.pem', 'ca.pem', 'client.pem', 'client-key.pem']) {
      expect(existsSync(join(folder, file)), file).toBe(true);
    }
    rmSync(folder, { recursive: true });
  });
});
