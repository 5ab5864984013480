import { once } from 'node:events';
import { lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import type { SocketAddress } from '../config/config.ts';
import { messageOf, RuntimeError } from '../errors.ts';

/** Only the user the gateway runs as may connect. */
const SOCKET_UMASK = 0o177;

/** Binds a server and returns its address as text. Throws `ICAPGW_LISTEN` with the system's error as cause. */
export async function bindAdmin(server: Server, address: SocketAddress): Promise<string> {
  const text = address.kind === 'unix' ? `unix:${address.path}` : `${address.host}:${address.port}`;
  try {
    if (address.kind === 'unix') {
      await bindUnix(server, address.path);
      return text;
    }
    server.listen({ port: address.port, ...(address.host === '' ? {} : { host: address.host }) });
    await once(server, 'listening');
    return boundAddress(server) ?? text;
  } catch (cause) {
    const detail = `admin.listen ${text}: ${messageOf(cause)}; choose another address or off`;
    throw new RuntimeError('ICAPGW_LISTEN', { detail, cause });
  }
}

async function bindUnix(server: Server, path: string): Promise<void> {
  try {
    await listenUnix(server, path);
  } catch (error) {
    if (!isInUse(error) || !(await isStaleSocket(path))) throw error;
    await unlink(path);
    await listenUnix(server, path);
  }
}

async function listenUnix(server: Server, path: string): Promise<void> {
  // The socket is made within listen(): a chmod afterwards would leave a moment in which anyone may connect.
  const umask = process.umask(SOCKET_UMASK);
  try {
    server.listen({ path });
  } finally {
    process.umask(umask);
  }
  await once(server, 'listening');
}

/** Whether a path is a socket that nobody listens on, left behind by a process that was killed. */
async function isStaleSocket(path: string): Promise<boolean> {
  if (!(await lstat(path)).isSocket()) return false;
  const socket = connect({ path });
  try {
    await once(socket, 'connect');
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

function boundAddress(server: Server): string | undefined {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return undefined;
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}
