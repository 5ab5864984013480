import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { EICAR } from '../../src/demo/eicar.ts';
import type { LabIdentity } from './certificate-lab.ts';
import { type CIcap, type CIcapOptions, hasCIcap, startCIcap } from './icap-c-icap.ts';
import { converse, type ServerProcess, startServerProcess } from './server-process.ts';

/** What the database has a signature for, besides the EICAR test file. */
export const MARKER = 'icapgw-test-marker-6f1c2d';

const SIGNATURE = 'Own.Test.Marker';

/** As the scanner calls what it finds by a signature of somebody's own. */
export const THREAT: string = `${SIGNATURE}.UNOFFICIAL`;

/** Whether Debian's packages of c-icap, its scanner service and clamd are installed. */
export const hasClamAv: boolean =
  process.env['CI'] !== undefined ||
  (hasCIcap &&
    [
      '/usr/sbin/clamd',
      `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/c_icap/clamd_mod.so`,
    ].every(existsSync));

/** A clamd with a database of two lines. Disposing ends it. */
interface Clamd extends AsyncDisposable {
  readonly socket: string;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** A c-icap that scans with a clamd of its own: services `virus_scan`, `echo` and `ex206`. */
export interface ScanningServer extends CIcap {
  /** The scanner behind it, which may die while c-icap still says that all is well. */
  readonly clamd: Pick<Clamd, 'kill' | 'start'>;
}

const SERVICES = [
  'Service echo srv_echo.so',
  'Service ex206 srv_ex206.so',
  'Service virus_scan virus_scan.so',
  'virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE',
  // Nothing of a document leaves before it is judged.
  'virus_scan.StartSendPercentDataAfter 20M',
  'virus_scan.MaxObjectSize 20M',
  'Module common clamd_mod.so',
];

/**
 * Starts both; the TLS port of c-icap wants a client certificate of `ca`. `configure` says what c-icap is told, with the
 * socket of clamd.
 */
export async function startScanningServer(
  server: LabIdentity,
  ca: string,
  configure: (clamdSocket: string) => CIcapOptions = scanningServices,
): Promise<ScanningServer> {
  const clamd = await startClamd();
  try {
    const icap = await startCIcap(server, ca, configure(clamd.socket));
    return {
      ...icap,
      clamd,
      async [Symbol.asyncDispose]() {
        await icap[Symbol.asyncDispose]();
        await clamd[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await clamd[Symbol.asyncDispose]();
    throw error;
  }
}

function scanningServices(clamdSocket: string): CIcapOptions {
  return { lines: [...SERVICES, `clamd_mod.ClamdSocket ${clamdSocket}`], service: 'virus_scan' };
}

async function startClamd(): Promise<Clamd> {
  const dir = mkdtempSync(join(tmpdir(), 'icapgw-clamd-'));
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 'db'));
  const signature = (name: string, content: string): string => `${name}:0:*:${Buffer.from(content).toString('hex')}\n`;
  writeFileSync(join(dir, 'db/own.ndb'), signature(SIGNATURE, MARKER) + signature('Own.Test.Eicar', EICAR));
  const socket = join(dir, 'clamd.sock');
  const file = join(dir, 'clamd.conf');
  const lines = [
    'Foreground yes',
    `LocalSocket ${socket}`,
    'FixStaleSocket yes',
    `DatabaseDirectory ${dir}/db`,
    `TemporaryDirectory ${dir}`,
    `LogFile ${dir}/clamd.log`,
    `User ${userInfo().username}`,
    'MaxThreads 8',
    'ConcurrentDatabaseReload no',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const launch = (): ServerProcess => startServerProcess('clamd', ['-c', file]);
  const answers = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted && (await converse({ path: socket }, 'PING\n', 'PONG\n')) !== 'PONG\n') await setImmediate();
  };
  let running = launch();
  await running.until(answers);
  return {
    socket,
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
