import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type NetConnectOpts } from 'node:net';

/** A server of somebody else's that a test started, with all the processes it forks. */
export interface ServerProcess {
  readonly pid: number;
  readonly isRunning: boolean;
  /** Resolves when it has ended, by itself or otherwise. */
  readonly exited: Promise<unknown>;
  /** Waits for what `isReady` waits for; rejects with what the server said when it ends instead. */
  until(isReady: (signal: AbortSignal) => Promise<void>): Promise<void>;
  /** Asks it to end, and waits until it has. */
  stop(): Promise<void>;
  /** Ends it and what it forked at once. */
  kill(): Promise<void>;
}

/** What is still running when this process ends, because a test ran out of time: nothing may outlive it. */
const leftovers: Set<() => void> = new Set();
process.once('exit', () => {
  for (const kill of leftovers) kill();
});

/** Starts a program in the foreground. `detached` makes it the head of a process group, which `kill` then ends as a whole. */
export function startServerProcess(
  command: string,
  args: readonly string[],
  { detached = false }: { readonly detached?: boolean } = {},
): ServerProcess {
  const child = spawn(command, args, { detached, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('latin1').on('data', (text: string) => {
      said = (said + text).slice(-4096);
    });
  }
  let isRunning = true;
  const signal = (name: NodeJS.Signals): void => {
    const { pid } = child;
    if (pid !== undefined && isRunning) process.kill(detached && name === 'SIGKILL' ? -pid : pid, name);
  };
  const leftover = (): void => signal('SIGKILL');
  leftovers.add(leftover);
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`${code ?? signal}`));
  }).then((end) => {
    isRunning = false;
    leftovers.delete(leftover);
    return end;
  });
  const end = async (name: NodeJS.Signals): Promise<void> => {
    signal(name);
    await exited;
  };
  return {
    pid: child.pid ?? 0,
    get isRunning() {
      return isRunning;
    },
    exited,
    async until(isReady) {
      const cancel = new AbortController();
      const failed = exited.then((reason) => {
        throw new Error(`${command} ended with ${reason}: ${said}`);
      });
      await Promise.race([isReady(cancel.signal), failed]).finally(() => cancel.abort());
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

/** For servers that cannot be told to take any port: ports that are free right now. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) {
    server.close();
    await once(server, 'close');
  }
  return ports;
}

/** Connects, sends, and gives what came up to and with `until`, or up to the end; nothing where nobody listens. */
export async function converse(to: NetConnectOpts, text: string, until: string): Promise<string> {
  const socket = connect(to);
  const { promise, resolve } = Promise.withResolvers<void>();
  let received = '';
  socket.setEncoding('latin1').on('data', (data: string) => {
    received += data;
    if (received.includes(until)) resolve();
  });
  socket.on('error', () => socket.destroy());
  socket.once('end', resolve).once('close', resolve);
  socket.write(text);
  await promise;
  socket.destroy();
  return received;
}
