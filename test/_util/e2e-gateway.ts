import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { LogEventName, LogEvents } from '../../src/observe/log-event.ts';

const ROOT = join(import.meta.dirname, '../..');
const NODE = join(ROOT, 'node_modules/.bin/node');
/** Another build can be tested by naming its `main.js` in ICAPGW_MAIN. */
const MAIN = process.env['ICAPGW_MAIN'] ?? join(ROOT, 'dist/main.js');

/** One line of the JSON log. */
export interface LoggedLine {
  readonly time: string;
  readonly level: string;
  readonly event: LogEventName;
  readonly msg: string;
}

export type LoggedEvent<E extends LogEventName> = LoggedLine & { readonly event: E } & LogEvents[E];

export interface GatewayExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The built program, started with a configuration, whatever becomes of it. Disposing kills it. */
export interface SpawnedGateway extends AsyncDisposable {
  readonly pid: number;
  /** The configuration file, in a folder of its own. */
  readonly file: string;
  /** What came on standard error that was not a line of the JSON log. */
  readonly stderr: string;
  readonly stdout: string;
  readonly events: readonly LoggedLine[];
  readonly exited: Promise<GatewayExit>;
  signal(name: NodeJS.Signals): void;
  /** The first event of that name that fits, logged already or yet to come; rejects when the program ends without. */
  waitForEvent<E extends LogEventName>(event: E, fits?: (logged: LoggedEvent<E>) => boolean): Promise<LoggedEvent<E>>;
}

/** The built program, ready to serve. */
export interface RunningGateway extends SpawnedGateway {
  /** The port of the service's first listener, or of another one by its index. */
  port(service: string, index?: number): number;
  /** `http://127.0.0.1:40000`. */
  readonly adminUrl: string;
  /** Sum of all samples of one metric whose labels hold these values; 0 where there is none. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
}

/**
 * Runs `icapgw run`. An object is written as YAML, with a JSON log of every event on standard error and an admin endpoint
 * on a free port unless it says otherwise; a text is written as it is.
 */
export function spawnGateway(
  config: string | object,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): SpawnedGateway {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run "npm run build" before the end-to-end tests`);
  const folder = mkdtempSync(join(tmpdir(), 'icapgw-e2e-'));
  const file = join(folder, 'gateway.conf');
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(withDefaults(config)));
  const child = spawn(NODE, [MAIN, 'run', '-c', file, ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return watch(child, file, folder);
}

/** Starts the built program and waits until it is ready; rejects with what it said when it ends instead. */
export async function startGateway(
  config: string | object,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<RunningGateway> {
  const gateway = spawnGateway(config, args, env);
  try {
    await gateway.waitForEvent('ready');
  } catch (error) {
    await gateway[Symbol.asyncDispose]();
    throw error;
  }
  const adminUrl = `http://${named(gateway, 'admin-listening')[0]?.address}`;
  return Object.assign(gateway, {
    port(service: string, index = 0): number {
      const listening = named(gateway, 'listening').filter((logged) => logged.service === service)[index];
      if (listening === undefined) throw new Error(`nothing listens for service ${service}`);
      return Number(/\d+$/.exec(listening.address)?.[0]);
    },
    adminUrl,
    async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
      const response = await fetch(`${adminUrl}/metrics`);
      return sumOf(await response.text(), name, labels);
    },
  });
}

function watch(child: ChildProcess, file: string, folder: string): SpawnedGateway {
  const events: LoggedLine[] = [];
  const waiting = new Set<() => void>();
  let stderr = '';
  let stdout = '';
  let isOver = false;
  const tell = (): void => {
    for (const look of [...waiting]) look();
  };
  const exited = once(child, 'close').then(([code, signal]): GatewayExit => {
    isOver = true;
    tell();
    return { code, signal };
  });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  if (child.stderr !== null) {
    createInterface(child.stderr).on('line', (line) => {
      const logged = parseEvent(line);
      if (logged === undefined) stderr += `${line}\n`;
      else events.push(logged);
      tell();
    });
  }
  return {
    pid: child.pid ?? 0,
    file,
    events,
    exited,
    get stderr() {
      return stderr;
    },
    get stdout() {
      return stdout;
    },
    signal(name) {
      child.kill(name);
    },
    waitForEvent<E extends LogEventName>(event: E, fits: (logged: LoggedEvent<E>) => boolean = () => true) {
      return new Promise<LoggedEvent<E>>((resolve, reject) => {
        const look = (): void => {
          const found = events.find((logged): logged is LoggedEvent<E> => isNamed(logged, event) && fits(logged));
          if (found === undefined && !isOver) return;
          waiting.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`the gateway ended without "${event}":\n${stderr}${JSON.stringify(events, null, 1)}`));
        };
        waiting.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function withDefaults(config: object): object {
  const { log = {}, ...rest } = config as { readonly log?: object };
  return { admin: { listen: '127.0.0.1:0' }, ...rest, log: { format: 'json', level: 'debug', ...log } };
}

function parseEvent(line: string): LoggedLine | undefined {
  if (!line.startsWith('{"time"')) return undefined;
  return JSON.parse(line) as LoggedLine;
}

function isNamed<E extends LogEventName>(logged: LoggedLine, event: E): logged is LoggedEvent<E> {
  return logged.event === event;
}

function named<E extends LogEventName>({ events }: SpawnedGateway, event: E): LoggedEvent<E>[] {
  return events.filter((logged): logged is LoggedEvent<E> => isNamed(logged, event));
}

function sumOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
