import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { LabIdentity } from './certificate-lab.ts';
import { converse, freePorts, type ServerProcess, startServerProcess } from './server-process.ts';

/** A real c-icap. Disposing ends it. */
export interface CIcap extends AsyncDisposable {
  readonly port: number;
  readonly tlsPort: number;
  /** What it wrote about requests, one line each. */
  accessLog(): string;
  /** Ends all of its processes at once: connections break off, and the ports refuse. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same ports. */
  start(): Promise<void>;
}

export interface CIcapOptions {
  /** Lines of the configuration besides those for ports, processes and logs. */
  readonly lines: readonly string[];
  /** A service of these lines that answers OPTIONS with 200. */
  readonly service: string;
}

/** Where Debian keeps the modules of c-icap. */
const MODULES = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/c_icap`;

/** Whether Debian's package c-icap is installed: both the server and the client. */
export const hasCIcap: boolean =
  process.env['CI'] !== undefined ||
  ['/usr/bin/c-icap', '/usr/bin/c-icap-client', `${MODULES}/srv_echo.so`].every(existsSync);

const ECHO: CIcapOptions = { lines: ['Service echo srv_echo.so'], service: 'echo' };

/** Starts c-icap in the foreground; its TLS port wants a client certificate of `ca`. */
export async function startCIcap(server: LabIdentity, ca: string, options: CIcapOptions = ECHO): Promise<CIcap> {
  const dir = mkdtempSync(join(tmpdir(), 'icapgw-c-icap-'));
  chmodSync(dir, 0o755);
  const [port = 0, tlsPort = 0] = await freePorts(2);
  const file = join(dir, 'c-icap.conf');
  const accessLog = join(dir, 'access.log');
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
    `TmpDir ${dir}`,
    `ModulesDir ${MODULES}`,
    `ServicesDir ${MODULES}`,
    'LoadMagicFile /etc/c-icap/c-icap.magic',
    `ServerLog ${dir}/server.log`,
    `AccessLog ${accessLog}`,
    ...options.lines,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  // It forks, and children outlive a killed parent: a group of its own can be ended as a whole.
  const launch = (): ServerProcess => startServerProcess('c-icap', ['-N', '-D', '-f', file], { detached: true });
  const answers = (signal: AbortSignal): Promise<void> => answersOptions(port, options.service, signal);
  let running = launch();
  await running.until(answers);
  return {
    port,
    tlsPort,
    accessLog: () => readFileSync(accessLog, 'latin1'),
    kill: () => running.kill(),
    async start() {
      running = launch();
      await running.until(answers);
    },
    async [Symbol.asyncDispose]() {
      await running.stop();
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

/** Asks until the service says 200, or the signal. */
async function answersOptions(port: number, service: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const answer = await converse(
      { host: '127.0.0.1', port },
      `OPTIONS icap://127.0.0.1:${port}/${service} ICAP/1.0\r\nHost: 127.0.0.1\r\n\r\n`,
      '\r\n\r\n',
    );
    if (answer.startsWith('ICAP/1.0 200')) return;
    await setImmediate();
  }
}
