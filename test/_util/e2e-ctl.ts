import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { RunningGateway } from './e2e-gateway.ts';

export interface CtlRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const NODE = join(import.meta.dirname, '../../node_modules/.bin/node');
const MAIN = process.env['ICAPGW_MAIN'] ?? join(import.meta.dirname, '../../dist/main.js');

/** Runs `icapgw ctl` of the built program against a gateway. */
export function ctl({ adminUrl }: RunningGateway, ...args: readonly string[]): Promise<CtlRun> {
  return new Promise((resolve) => {
    const env = { ...process.env, ICAPGW_ADMIN: adminUrl.slice('http://'.length) };
    execFile(NODE, [MAIN, 'ctl', ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** What the admin endpoint answers to a GET. */
export async function getApi(gateway: RunningGateway, path: string): Promise<unknown> {
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
