import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchCertificates } from '../certificates.ts';
import { processTree } from '../process-tree.ts';
import type { Peer } from './peer.ts';

export interface StartOptions {
  readonly peer: Peer;
  /** Gets a folder of this peer's own. */
  readonly parentFolder: string;
  readonly backendPort: number;
  readonly certificates: BenchCertificates;
}

/** A peer that listens. Disposing it ends its whole tree. */
export interface RunningPeer extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  /** From the start of the process to the first connection that was taken. */
  readonly startMs: number;
}

const START_DEADLINE_MS = 15_000;
const STOP_DEADLINE_MS = 3_000;
const POLL_MS = 2;
/** A program may try whether it can have an address, for a moment, before it serves there. */
const STEADY_MS = 50;
const STDERR_KEPT = 2_000;

let startCount = 0;
const runningRoots = new Set<number>();

/** For a signal: ends every peer at once, without waiting. */
export function killPeers(): void {
  for (const root of runningRoots) for (const pid of processTree(root)) signal(pid, 'SIGKILL');
}

/** Starts a peer in the foreground and waits until it listens. Throws with what it printed where it does not. */
export async function startPeer(options: StartOptions): Promise<RunningPeer> {
  const { peer, parentFolder, backendPort, certificates } = options;
  const program = peer.find();
  if (program === undefined) throw new Error(`${peer.name} is not installed`);
  startCount += 1;
  const folder = join(parentFolder, `${peer.name}-${startCount}`);
  mkdirSync(folder);
  const port = await freePort();
  const args = peer.configure({ folder, port, backendPort, certificates });
  const startedMs = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
  let printed = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    printed = (printed + text).slice(-STDERR_KEPT);
  });
  await once(child, 'spawn');
  const { pid } = child;
  if (pid === undefined) throw new Error(`${peer.name} has no process id`);
  runningRoots.add(pid);
  child.once('exit', () => runningRoots.delete(pid));
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const stop = (): Promise<void> => stopTree(pid, isOver);
  let takenMs: number | undefined;
  while (takenMs === undefined || performance.now() - takenMs < STEADY_MS) {
    if (await accepts(port)) takenMs ??= performance.now();
    else takenMs = undefined;
    if (isOver()) throw new Error(`${peer.name} ended at start: ${printed.trim()}`);
    if (performance.now() - startedMs > START_DEADLINE_MS) {
      await stop();
      throw new Error(`${peer.name} does not listen: ${printed.trim()}`);
    }
    await delay(POLL_MS);
  }
  return { pid, port, startMs: takenMs - startedMs, [Symbol.asyncDispose]: stop };
}

/** Asks the root to end, then makes an end of what is left of the tree it had. */
async function stopTree(root: number, isOver: () => boolean): Promise<void> {
  if (isOver()) return;
  const tree = processTree(root);
  signal(root, 'SIGTERM');
  const deadlineMs = performance.now() + STOP_DEADLINE_MS;
  while (!(isOver() && tree.every(isGone)) && performance.now() < deadlineMs) await delay(10);
  for (const pid of tree) signal(pid, 'SIGKILL');
}

function isGone(pid: number): boolean {
  return !signal(pid, 0);
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: '127.0.0.1', port });
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}
