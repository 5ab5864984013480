import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(import.meta.dirname, '../..');
const NODE = join(ROOT, 'node_modules/.bin/node');
const MAIN = process.env['ICAPGW_MAIN'] ?? join(ROOT, 'dist/main.js');

export interface ConnectorOptions {
  /** Where it runs and keeps what it keeps: for as long as the test, not as the process. */
  readonly folder: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** A command of the shell that it is started after, in the same process: `ulimit -f 0`. */
  readonly after?: string;
}

/** `icapgw connector` of the built program, whatever becomes of it. Disposing kills it. */
export interface Connector extends AsyncDisposable {
  readonly pid: number;
  /** All it said, line by line. */
  readonly lines: readonly string[];
  readonly exited: Promise<number | null>;
  /** The first line that fits, said already or yet to come; rejects when the program ends without. */
  waitForLine(pattern: RegExp): Promise<RegExpExecArray>;
  signal(name: NodeJS.Signals): void;
}

export interface RunningConnector extends Connector {
  /** Where findings are posted. */
  readonly url: string;
  readonly adminUrl: string;
  /** Posts JSON, and returns the status and what became of it. */
  post(
    body: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<readonly [code: number, result: string | null]>;
  metric(name: string): Promise<number>;
}

/** Runs the connector, with an admin endpoint on a free port. */
export function spawnConnector({ folder, args = ['-c', 'config.yaml'], env = {}, after }: ConnectorOptions): Connector {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run "npm run build" before the end-to-end tests`);
  const command = [NODE, MAIN, 'connector', ...args, '--admin', '127.0.0.1:0'];
  const [program = '', ...rest] = after === undefined ? command : ['sh', '-c', `${after}; exec "$@"`, 'sh', ...command];
  const child = spawn(program, rest, {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1', STATE_DIRECTORY: '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let isOver = false;
  const tell = (): void => {
    for (const look of [...waiting]) look();
  };
  createInterface(child.stderr).on('line', (line) => {
    lines.push(line);
    tell();
  });
  const exited = once(child, 'close').then(([code]: (number | null)[]) => {
    isOver = true;
    tell();
    return code ?? null;
  });
  return {
    lines,
    exited,
    pid: child.pid ?? 0,
    signal: (name) => void child.kill(name),
    waitForLine: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.map((line) => pattern.exec(line)).find((match) => match !== null);
          if (found === undefined && !isOver) return;
          waiting.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`the connector ended without ${String(pattern)}:\n${lines.join('\n')}`));
        };
        waiting.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Runs the connector and waits until it is ready. */
export async function startConnector(options: ConnectorOptions): Promise<RunningConnector> {
  const connector = spawnConnector(options);
  try {
    await connector.waitForLine(/ready after/);
  } catch (error) {
    await connector[Symbol.asyncDispose]();
    throw error;
  }
  const [, address] = await connector.waitForLine(/feed guardduty listening on (\S+)/);
  const [, admin] = await connector.waitForLine(/admin endpoint listening on (\S+)/);
  const url = `http://${address}/api/`;
  const adminUrl = `http://${admin}`;
  return {
    ...connector,
    ...{ url, adminUrl },
    async post(body, headers = {}) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      await response.text();
      return [response.status, response.headers.get('x-icapgw-result')];
    },
    async metric(name) {
      const text = await (await fetch(`${adminUrl}/metrics`)).text();
      const values = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
      return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    },
  };
}
