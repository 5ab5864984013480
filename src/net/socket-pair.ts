import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IpcNetConnectOpts, connect as openSocket, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SocketPair {
  /** For this process. Has an error listener, and none besides. */
  readonly ours: Socket;
  /** For a child: paused, and nothing has been read from it that was meant for others. */
  readonly theirs: Socket;
}

const TOKEN_BYTES = 32;
/** Both ends are here: only a machine that is out of its mind takes so long. */
const PATIENCE_MS = 5000;

/**
 * Makes two stream sockets that are connected to each other, as socketpair(2) does, which Node.js has no call for. Any
 * process of this machine may find the name that they meet under, so that the end that is accepted proves to be ours.
 * Rejects when the process has no descriptors left.
 */
export async function createSocketPair(options: Pick<IpcNetConnectOpts, 'onread'>): Promise<SocketPair> {
  const name = `icapgw-${randomBytes(16).toString('hex')}`;
  // Only Linux has names that are in no folder, and gone with the last descriptor.
  const path = process.platform === 'linux' ? `\0${name}` : join(tmpdir(), name);
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  try {
    server.listen(path);
    await once(server, 'listening');
    const token = randomBytes(TOKEN_BYTES);
    const ours = openSocket({ path, allowHalfOpen: true, ...options });
    ours.on('error', ignore);
    ours.write(token);
    try {
      return { ours, theirs: await findOwn(server, ours, token) };
    } catch (error) {
      ours.destroy();
      throw error;
    }
  } finally {
    server.close();
  }
}

/** The connection that begins with the token; all others are closed. */
function findOwn(server: Server, ours: Socket, token: Buffer): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const strangers = new Set<Socket>();
  const late = setTimeout(() => reject(new Error('no socket pair could be made in time')), PATIENCE_MS);
  server.on('error', reject);
  ours.once('close', () => reject(new Error('the socket pair was closed while it was made')));
  server.on('connection', (socket) => {
    strangers.add(socket);
    socket.on('error', ignore);
    readToken(socket, (bytes) => {
      strangers.delete(socket);
      if (timingSafeEqual(bytes, token)) resolve(socket);
      else socket.destroy();
    });
  });
  return promise.finally(() => {
    clearTimeout(late);
    ours.removeAllListeners('close');
    for (const stranger of strangers) stranger.destroy();
  });
}

function readToken(socket: Socket, onToken: (bytes: Buffer) => void): void {
  let read = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    read = Buffer.concat([read, chunk]);
    if (read.length < TOKEN_BYTES) return;
    socket.pause();
    socket.removeAllListeners('data');
    onToken(read.subarray(0, TOKEN_BYTES));
  });
  socket.resume();
}

/** Whoever waits for the pair learns from its end. */
function ignore(): void {}
