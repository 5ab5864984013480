import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TunnelProcess } from './stunnel-process.ts';

/** The entry of the program, run from its sources. */
export const MAIN: string = join(import.meta.dirname, '../../src/main.ts');

/** What the test needs to find the port; everything else is the text that stunnel gets. */
const EXTRA_LINES = 'icapgw.log.format = json\nicapgw.admin.listen = off\n';

/** Runs icapgw with a stunnel.conf whose one service accepts on port 0. A byte order mark stays in front. */
export async function startGatewayAsStunnel(text: string): Promise<TunnelProcess> {
  const dir = mkdtempSync(join(tmpdir(), 'icapgw-differential-'));
  const file = join(dir, 'stunnel.conf');
  const hasMark = text.startsWith('\uFEFF');
  writeFileSync(file, `${hasMark ? '\uFEFF' : ''}${EXTRA_LINES}${hasMark ? text.slice(1) : text}`);
  const child = spawn(process.execPath, [MAIN, 'run', '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const closed = once(child, 'exit');
  const log: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    let bound: number | undefined;
    createInterface(child.stderr).on('line', (line) => {
      log.push(line);
      if (!line.startsWith('{')) return;
      const { event, address } = JSON.parse(line) as { readonly event: string; readonly address?: string };
      if (event === 'listening') bound = Number(address?.slice(address.lastIndexOf(':') + 1));
      if (event === 'ready' && bound !== undefined) resolve(bound);
    });
    child.once('exit', () => reject(new Error(`icapgw ended:\n${log.join('\n')}`)));
  });
  return {
    port,
    log,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      // The second signal cuts what a test left open.
      child.kill('SIGINT');
      await closed;
      rmSync(dir, { recursive: true });
    },
  };
}
