import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { LabIdentity } from './certificate-lab.ts';
import { freePorts, type ServerProcess, startServerProcess } from './server-process.ts';

const [SCRIPTS] = globSync('/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin');

/** Whether Debian's rabbitmq-server is installed. */
export const hasRabbit: boolean = process.env['CI'] !== undefined || SCRIPTS !== undefined;

export interface RabbitQueueState {
  readonly name: string;
  readonly ready: number;
  readonly unacknowledged: number;
}

/** A RabbitMQ of its own, with its own Erlang port mapper, on free ports. Disposing ends all of it. */
export interface RabbitServer extends AsyncDisposable {
  /** As guest. */
  readonly url: string;
  /** The same over TLS; undefined where no identity was given. */
  readonly secureUrl: string | undefined;
  readonly port: number;
  /** Ends it as an operator does; what is durable stays. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Ends its Erlang machine with SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** Holds it: connections stay, and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Queues whose name begins so. */
  queues(prefix: string): Promise<readonly RabbitQueueState[]>;
  /** Cuts every connection that a client has. */
  closeConnections(): Promise<void>;
  control(...args: readonly string[]): Promise<string>;
}

export async function startRabbitServer({ tls }: { readonly tls?: LabIdentity } = {}): Promise<RabbitServer> {
  if (SCRIPTS === undefined) throw new Error('rabbitmq-server is not installed');
  const folder = mkdtempSync(join(tmpdir(), 'icapgw-rabbitmq-'));
  const [port = 0, securePort = 0, distPort = 0, epmdPort = 0] = await freePorts(4);
  const settings = [`listeners.tcp.1 = 127.0.0.1:${port}`, 'log.console.level = warning'];
  if (tls !== undefined) {
    settings.push(
      `listeners.ssl.1 = 127.0.0.1:${securePort}`,
      `ssl_options.certfile = ${tls.cert}`,
      `ssl_options.keyfile = ${tls.key}`,
      'ssl_options.verify = verify_none',
    );
  }
  writeFileSync(join(folder, 'rabbitmq.conf'), `${settings.join('\n')}\n`);
  writeFileSync(join(folder, 'plugins'), '[].\n');
  const environment = {
    HOME: folder,
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `icapgw${port}@localhost`,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distPort),
    RABBITMQ_BASE: folder,
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq'),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'none'),
    // Of what is cut off in the middle; it would be left where the tests run.
    ERL_CRASH_DUMP_SECONDS: '0',
    RABBITMQ_GENERATED_CONFIG_DIR: join(folder, 'generated'),
    // One thread that does not spin: the machine has other things to do. Queues count what they hold each time they tick.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      '+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -rabbit quorum_tick_interval 200',
  };
  const assignments = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const epmd = startServerProcess('epmd', ['-port', String(epmdPort), '-address', '127.0.0.1']);
  let server: ServerProcess | undefined;
  const control = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)('env', [...assignments, join(SCRIPTS, 'rabbitmqctl'), '-q', ...args]);
    return stdout;
  };
  const start = async (): Promise<void> => {
    server = startServerProcess('env', [...assignments, join(SCRIPTS, 'rabbitmq-server')], { detached: true });
    await server.until((signal) => answers(port, signal));
  };
  await epmd.until((signal) => accepts(epmdPort, signal));
  await start();
  const group = (name: NodeJS.Signals): void => {
    if (server !== undefined) process.kill(-server.pid, name);
  };
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    secureUrl: tls === undefined ? undefined : `amqps://guest:guest@127.0.0.1:${securePort}`,
    port,
    start,
    async stop() {
      await server?.stop();
    },
    async kill() {
      process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGKILL');
      await server?.exited;
    },
    pause: () => group('SIGSTOP'),
    resume: () => group('SIGCONT'),
    control,
    async queues(prefix) {
      const text = await control(
        'list_queues',
        'name',
        'messages_ready',
        'messages_unacknowledged',
        '--no-table-headers',
      );
      return text
        .split('\n')
        .map((line) => line.split('\t'))
        .filter(([name = '']) => name.startsWith(prefix))
        .map(([name = '', ready, unacknowledged]) => ({
          name,
          ready: Number(ready),
          unacknowledged: Number(unacknowledged),
        }));
    },
    async closeConnections() {
      await control('close_all_connections', 'a test');
    },
    async [Symbol.asyncDispose]() {
      await server?.kill();
      await epmd.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until the broker greets: it listens before it is ready, and closes then. */
async function answers(port: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    const greeted = new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(true));
      socket.once('close', () => resolve(false));
    });
    socket.write(Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]));
    const isReady = await greeted;
    socket.destroy();
    if (isReady) return;
    await setImmediate();
  }
}

async function accepts(port: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      socket.destroy();
      return;
    } catch {
      await setImmediate();
    }
  }
}
