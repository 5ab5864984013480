import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { LabIdentity } from './certificate-lab.ts';

/** Whether the backend's answer came back, and everything the client said about it. */
export interface Visit {
  readonly isServed: boolean;
  readonly output: string;
}

const GREETING = 'hello\n';
const ANSWER = 'echo:hello\n';

/** Sends a greeting over a socket and waits for its echo or for the end. The socket is closed then. */
export async function greet(socket: Socket): Promise<Visit> {
  socket.on('error', () => socket.destroy());
  socket.write(GREETING);
  const output = await readUntil(socket, ANSWER);
  socket.destroy();
  return { isServed: output.includes(ANSWER), output };
}

/** What a stream says up to and with `text`, or up to its end. */
export async function readUntil(stream: Readable, text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let output = '';
  stream.on('data', (chunk: Buffer | string) => {
    output += chunk.toString('latin1');
    if (output.includes(text)) resolve();
  });
  stream.once('end', resolve).once('close', resolve);
  if (stream.destroyed) resolve();
  await promise;
  return output;
}

/** Greets through `openssl s_client` and leaves in good order. */
export async function greetWithOpenssl(port: number, ...args: readonly string[]): Promise<Visit> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args]);
  const closed = once(child, 'close');
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaints += chunk.toString();
  });
  child.stdin.on('error', () => child.stdin.destroy());
  child.stdin.write(GREETING);
  const output = await readUntil(child.stdout, ANSWER);
  // On a line of its own s_client takes it as the command to close.
  child.stdin.end('Q\n');
  await closed;
  return { isServed: output.includes(ANSWER), output: output + complaints };
}

/** A real stunnel in client mode: what comes in clear at its port goes to `connect` over TLS. */
export interface StunnelClient extends AsyncDisposable {
  readonly port: number;
}

/** Starts stunnel4 in client mode, showing `identity` where there is one; a machine without it fails the test. */
export async function startStunnelClient(connectPort: number, identity?: LabIdentity): Promise<StunnelClient> {
  const child = spawn('stunnel4', ['-fd', '0'], { stdio: ['pipe', 'ignore', 'pipe'] });
  const closed = once(child, 'close');
  await once(child, 'spawn');
  const lines = ['foreground = yes', 'syslog = no', 'debug = info', 'pid =', '[out]', 'client = yes'];
  lines.push('accept = 127.0.0.1:0', `connect = 127.0.0.1:${connectPort}`);
  if (identity !== undefined) lines.push(`cert = ${identity.cert}`, `key = ${identity.key}`);
  child.stdin.end(`${lines.join('\n')}\n`);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const said: string[] = [];
  createInterface(child.stderr).on('line', (line) => {
    said.push(line);
    const bound = /bound to 127\.0\.0\.1:(\d+)/.exec(line);
    if (bound !== null) resolve(Number(bound[1]));
  });
  child.once('exit', () => reject(new Error(`stunnel ended:\n${said.join('\n')}`)));
  return {
    port: await promise,
    async [Symbol.asyncDispose]() {
      child.kill();
      await closed;
    },
  };
}

/** Greets through a real stunnel, started for this one visit. */
export async function greetWithStunnel(port: number, identity?: LabIdentity): Promise<Visit> {
  await using stunnel = await startStunnelClient(port, identity);
  return await greet(connect({ host: '127.0.0.1', port: stunnel.port }));
}
