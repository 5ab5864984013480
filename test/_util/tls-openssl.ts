import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { LabIdentity } from './certificate-lab.ts';

/** Runs `openssl s_client` with an empty standard input and gives what it printed on both streams. */
export async function opensslClient(port: number, ...args: readonly string[]): Promise<{ readonly output: string }> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  child.stdin.on('error', () => child.stdin.destroy());
  child.stdin.end();
  await once(child, 'close');
  return { output };
}

export interface OpensslVisitOptions {
  readonly port: number;
  readonly version: 'TLSv1.2' | 'TLSv1.3';
  /** Undefined: no server is named. */
  readonly servername: string | undefined;
  readonly identity?: LabIdentity | undefined;
  /** File of a session to offer, whichever server it was of: node:tls offers one to the server of its name only. */
  readonly offered?: string;
  /** File for the session that is got. */
  readonly kept?: string;
}

export interface OpensslVisit {
  /** Who served, by the greeting; undefined where it refused. */
  readonly server: string | undefined;
  readonly isReused: boolean;
}

/** It may stand in the middle of what s_client says of tickets. */
const GREETING = /served by (\w+)\n/;

/** Visits with `openssl s_client`, until it has been greeted with `served by NAME`, or was refused. */
export async function opensslVisit(options: OpensslVisitOptions): Promise<OpensslVisit> {
  const { port, version, servername, identity, offered, kept } = options;
  const child = spawn('openssl', [
    ...['s_client', '-connect', `127.0.0.1:${port}`, version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3'],
    ...(servername === undefined ? ['-noservername'] : ['-servername', servername]),
    ...(identity === undefined ? [] : ['-cert', identity.cert, '-key', identity.key]),
    ...(offered === undefined ? [] : ['-sess_in', offered]),
    ...(kept === undefined ? [] : ['-sess_out', kept]),
  ]);
  const closed = once(child, 'close');
  child.stdin.on('error', () => child.stdin.destroy());
  child.stderr.resume();
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    // A line of its own is the command to close.
    if (GREETING.test(output)) child.stdin.end('Q\n');
  });
  await closed;
  return { server: GREETING.exec(output)?.[1], isReused: /^Reused, /m.test(output) };
}
