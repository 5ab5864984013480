import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RunningGateway } from './e2e-gateway.ts';

/** A gateway or a connector. */
type Steered = Pick<RunningGateway, 'adminUrl'>;

export interface CtlRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const NODE = join(import.meta.dirname, '../../node_modules/.bin/node');
const MAIN = process.env['ICAPGW_MAIN'] ?? join(import.meta.dirname, '../../dist/main.js');

/** A `ctl` that goes on until it is disposed. */
export interface CtlWatch extends AsyncDisposable {
  readonly lines: readonly string[];
  /** Lines on standard error. */
  readonly complaints: readonly string[];
}

/** Runs `icapgw ctl` of the built program against a gateway. */
export function ctl({ adminUrl }: Steered, ...args: readonly string[]): Promise<CtlRun> {
  return new Promise((resolve) => {
    execFile(NODE, [MAIN, 'ctl', ...args], { env: environment(adminUrl) }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** What the admin endpoint answers to a GET. */
export async function getApi(gateway: Steered, path: string): Promise<unknown> {
  const response = await fetch(`${gateway.adminUrl}/api/v1/${path}`);
  return await response.json();
}

/** What the admin endpoint answers to a POST. */
export async function postApi(gateway: RunningGateway, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${gateway.adminUrl}/api/v1/${path}`, {
    method: 'POST',
    ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  return await response.json();
}

/** Runs `icapgw ctl status --watch` with JSON, ten times a second. */
export function watchStatus({ adminUrl }: RunningGateway): CtlWatch {
  const child = spawn(NODE, [MAIN, 'ctl', 'status', '--json', '--watch', '0.1'], { env: environment(adminUrl) });
  const exited = once(child, 'close');
  const [lines, complaints]: [string[], string[]] = [[], []];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  createInterface(child.stderr).on('line', (line) => complaints.push(line));
  return {
    lines,
    complaints,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function environment(adminUrl: string): NodeJS.ProcessEnv {
  return { ...process.env, ICAPGW_ADMIN: adminUrl.slice('http://'.length) };
}
