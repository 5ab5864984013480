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

interface PreparedStreams {
  readonly open: () => StandardStreams;
  readonly discard: () => void;
}

export interface StdioListenerOptions extends ListenerOwner {
  /** Told before the connection comes, with what has to be waited for at its end. */
  readonly onStart: (finished: Promise<unknown>) => void;
}

/** Makes the standard input and output of this process a connection, which comes with the first `wake`. */
export async function openStdioListener(
  options: StdioListenerOptions,
): Promise<Listener<Extract<Address, { kind: 'stdio' }>>> {
  const streams = await prepareStandardStreams();
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
      const { socket, finished } = streams.open();
      options.onStart(finished);
      owner.onConnection(socket);
    },
    async [Symbol.asyncDispose]() {
      if (isWaiting) streams.discard();
      isWaiting = false;
    },
  };
}

/**
 * Nothing is read before they are opened: bytes, an end or an error that come before the connection has its owner would
 * be told to nobody.
 */
async function prepareStandardStreams(): Promise<PreparedStreams> {
  const [input, output] = [fstatSync(0), fstatSync(1)];
  // As inetd gives it.
  if (input.isSocket() && output.isSocket() && input.ino === output.ino) {
    const open = (): StandardStreams => {
      const socket = new Socket({ fd: 0, allowHalfOpen: true });
      socket.on('error', ignore).pause();
      return { socket, finished: once(socket, 'close') };
    };
    return { open, discard: () => {} };
  }
  const { ours, theirs } = await createSocketPair({});
  ours.pause();
  return {
    open: () => ({ socket: ours, finished: connectStreams(theirs, input, output) }),
    discard() {
      ours.destroy();
      theirs.destroy();
    },
  };
}

/** Resolves when all has left the process. */
function connectStreams(theirs: Socket, input: Stats, output: Stats): Promise<unknown> {
  const [source, sink] = [openInput(input), openOutput(output)];
  source.on('error', () => theirs.end()).pipe(theirs);
  theirs.pipe(sink);
  theirs.on('close', () => source.destroy());
  sink.on('error', () => theirs.destroy());
  return new Promise((resolve) => {
    sink.once('finish', resolve).once('close', resolve);
  });
}

function isStream(stats: Stats): boolean {
  return stats.isFIFO() || stats.isSocket();
}

// A file stays open: it is the process's, and Node.js warns of a worker that closes what it did not open.
function openInput(stats: Stats): Readable {
  return isStream(stats)
    ? new Socket({ fd: 0, readable: true, writable: false })
    : createReadStream('', { fd: 0, autoClose: false });
}

function openOutput(stats: Stats): Writable {
  return isStream(stats)
    ? new Socket({ fd: 1, readable: false, writable: true })
    : createWriteStream('', { fd: 1, autoClose: false });
}

/** Whoever has the connection learns from its end. */
function ignore(): void {}
