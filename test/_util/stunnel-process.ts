import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A program that listens: a real stunnel, or icapgw in its place. */
export interface TunnelProcess extends AsyncDisposable {
  readonly port: number;
  /** Everything that it has logged so far. */
  readonly log: readonly string[];
}

const PROCESS_LINES: readonly string[] = ['foreground = yes', 'syslog = no', 'debug = info', 'pid ='];

/** Starts stunnel4 with a configuration whose one service accepts on port 0; a machine without it fails the test. */
export async function startStunnel(text: string): Promise<TunnelProcess> {
  const child = spawn('stunnel4', ['-fd', '0'], { stdio: ['pipe', 'ignore', 'pipe'] });
  await once(child, 'spawn');
  const closed = once(child, 'exit');
  child.stdin.end(`${PROCESS_LINES.join('\n')}\n${text}`);
  const log: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      log.push(line);
      const bound = /bound to \S+:(\d+)/.exec(line);
      if (bound !== null) resolve(Number(bound[1]));
    });
    child.once('exit', () => reject(new Error(`stunnel ended:\n${log.join('\n')}`)));
  });
  return {
    port,
    log,
    async [Symbol.asyncDispose]() {
      child.kill();
      await closed;
    },
  };
}
