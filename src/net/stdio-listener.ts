import { once } from 'node:events';
import { createReadStream, createWriteStream, fstatSync, type Stats } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import type { Address } from '../config/config.ts';
import type { Listener, ListenerOwner } from './listener.ts';
import { createSocketPair } from './socket-pair.ts';

/** The only connection there is. */
interface StandardStreams {
  readonly socket: Socket;
  /** Resolves when all that was written to the socket has left the process. */
  readonly finished: Promise<unknown>;
}

export interface StdioListenerOptions extends ListenerOwner {
  /** Told before the connection comes, with what has to be waited for at its end. */
  readonly onStart: (finished: Promise<unknown>) => void;
}

/** Makes the standard input and output of this process a connection, which comes with the first `wake`. */
export async function openStdioListener(
  options: StdioListenerOptions,
): Promise<Listener<Extract<Address, { kind: 'stdio' }>>> {
  const { socket, finished } = await openStandardStreams();
  let owner: ListenerOwner = options;
  let isWaiting = true;
  return {
    address: { kind: 'stdio' },
    handOver(next) {
      owner = next;
    },
    wake() {
      if (!isWaiting) return;
      isWaiting = false;
      options.onStart(finished);
      owner.onConnection(socket);
    },
    async [Symbol.asyncDispose]() {
      if (isWaiting) socket.destroy();
    },
  };
}

async function openStandardStreams(): Promise<StandardStreams> {
  const [input, output] = [fstatSync(0), fstatSync(1)];
  // As inetd gives it.
  if (input.isSocket() && output.isSocket() && input.ino === output.ino) {
    const socket = new Socket({ fd: 0, allowHalfOpen: true });
    socket.on('error', ignore).pause();
    return { socket, finished: once(socket, 'close') };
  }
  const { ours, theirs } = await createSocketPair({});
  const [source, sink] = [openInput(input), openOutput(output)];
  source.on('error', () => theirs.end()).pipe(theirs);
  theirs.pipe(sink);
  theirs.on('close', () => source.destroy());
  sink.on('error', () => theirs.destroy());
  const finished = new Promise((resolve) => {
    sink.once('close', resolve);
  });
  ours.pause();
  return { socket: ours, finished };
}

function isStream(stats: Stats): boolean {
  return stats.isFIFO() || stats.isSocket();
}

function openInput(stats: Stats): Readable {
  return isStream(stats) ? new Socket({ fd: 0, readable: true, writable: false }) : createReadStream('', { fd: 0 });
}

function openOutput(stats: Stats): Writable {
  return isStream(stats) ? new Socket({ fd: 1, readable: false, writable: true }) : createWriteStream('', { fd: 1 });
}

/** Whoever has the connection learns from its end. */
function ignore(): void {}
