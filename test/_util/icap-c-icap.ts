import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { LabIdentity } from './certificate-lab.ts';

/** A real c-icap with its `echo` service. */
export interface CIcap extends AsyncDisposable {
  readonly port: number;
  readonly tlsPort: number;
}

/** Where Debian keeps the modules of c-icap. */
const MODULES = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/c_icap`;

/** Whether Debian's package c-icap is installed: both the server and the client. */
export const hasCIcap: boolean =
  process.env['CI'] !== undefined ||
  ['/usr/bin/c-icap', '/usr/bin/c-icap-client', `${MODULES}/srv_echo.so`].every(existsSync);

/** Starts c-icap in the foreground; its TLS port wants a client certificate of `ca`. */
export async function startCIcap(server: LabIdentity, ca: string): Promise<CIcap> {
  const dir = mkdtempSync(join(tmpdir(), 'icapgw-c-icap-'));
  chmodSync(dir, 0o755);
  const [port, tlsPort] = await freePorts();
  const file = join(dir, 'c-icap.conf');
  const { username } = userInfo();
  const lines = [
    `PidFile ${dir}/c-icap.pid`,
    `CommandsSocket ${dir}/c-icap.ctl`,
    `Port 127.0.0.1:${port}`,
    `TlsPort 127.0.0.1:${tlsPort} cert=${server.cert} key=${server.key} client_ca=${ca} cafile=${ca}`,
    `User ${username}`,
    `Group ${username}`,
    'StartServers 1',
    'MaxServers 2',
    'ThreadsPerChild 20',
    `ModulesDir ${MODULES}`,
    `ServicesDir ${MODULES}`,
    'LoadMagicFile /etc/c-icap/c-icap.magic',
    `ServerLog ${dir}/server.log`,
    `AccessLog ${dir}/access.log`,
    'Service echo srv_echo.so',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const child = spawn('c-icap', ['-N', '-D', '-f', file], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const cancel = new AbortController();
  await Promise.race([
    acceptsConnections(port, cancel.signal),
    exited.then(([code]) => {
      throw new Error(`c-icap ended with ${code}`);
    }),
  ]).finally(() => cancel.abort());
  return {
    port,
    tlsPort,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
      rmSync(dir, { recursive: true });
    },
  };
}

/** Runs c-icap-client and gives all that it printed. It says 0 whatever happened, so the output must be read. */
export async function runCIcapClient(port: number, service: string, args: readonly string[]): Promise<string> {
  const common = ['-i', '127.0.0.1', '-p', String(port), '-s', service, '-v'];
  const { stdout, stderr } = await promisify(execFile)('c-icap-client', [...common, ...args], { timeout: 30_000 });
  return stdout + stderr;
}

/** c-icap cannot be told to take any port, so two that are free right now have to do. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) {
    server.close();
    await once(server, 'close');
  }
  return [ports[0] ?? 0, ports[1] ?? 0];
}

async function acceptsConnections(port: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const socket = connect({ host: '127.0.0.1', port });
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await setImmediate();
    } finally {
      socket.destroy();
    }
  }
}
