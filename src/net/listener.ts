import { once } from 'node:events';
import { chmod, lstat, unlink } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { formatAddress } from '../config/address.ts';
import type { Address, SocketAddress } from '../config/config.ts';
import { RuntimeError } from '../errors.ts';

/** Who gets what a listener accepts. */
export interface ListenerOwner {
  /** Owns the socket, which has no listener yet, not even for errors. */
  readonly onConnection: (socket: Socket) => void;
  /** Accepting failed, for want of file descriptors as a rule. */
  readonly onError: (error: Error) => void;
}

export interface ListenerOptions extends ListenerOwner {
  readonly address: SocketAddress;
  /** Several threads listen on the same port and the kernel spreads the connections. Not for unix sockets. */
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
  readonly noDelay: boolean;
  readonly keepAliveMs: number | undefined;
}

export interface Listener<A extends Address = Address> extends AsyncDisposable {
  /** The address really bound: port 0 has become a number. */
  readonly address: A;
  /** From now on somebody else gets the connections. */
  handOver(owner: ListenerOwner): void;
  /** Begins, or begins anew, where it is a program, which does not run all the time. */
  readonly wake?: () => void;
}

const BACKLOG = 4096;
/** Owner and group: who else may connect is for the folder's owner to say. */
const SOCKET_MODE = 0o660;

/** Starts to accept. Throws `ICAPGW_LISTEN`, naming the address and the way out. Disposing ends accepting, nothing else. */
export async function startListener(options: ListenerOptions): Promise<Listener<SocketAddress>> {
  const { address, noDelay, keepAliveMs } = options;
  let owner: ListenerOwner = options;
  const server = createServer(
    {
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay,
      ...(keepAliveMs !== undefined && { keepAlive: true, keepAliveInitialDelay: keepAliveMs }),
    },
    (socket) => owner.onConnection(socket),
  );
  try {
    server.listen(listenOptions(options));
    await once(server, 'listening');
  } catch (cause) {
    throw listenError(address, cause);
  }
  server.on('error', (error) => owner.onError(error));
  if (address.kind === 'unix') await chmod(address.path, SOCKET_MODE);
  return {
    address: boundAddress(server, address),
    handOver(next) {
      owner = next;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      // Established connections go on: their end is not waited for.
      server.unref();
      if (!server.listening) return;
      await closed;
    },
  };
}

/**
 * Throws when somebody else listens on the address. The threads bind with `reusePort`, with which a second gateway would
 * quietly take half of the connections.
 */
export async function assertFree(address: Address, ipv6Only: boolean): Promise<void> {
  if (address.kind === 'exec' || address.kind === 'stdio') return;
  if (address.kind === 'unix') {
    await removeStaleSocket(address.path);
    return;
  }
  if (address.port === 0) return;
  const server = createServer();
  try {
    server.listen({ ...tcpOptions(address), ipv6Only, exclusive: true });
    await once(server, 'listening');
  } catch (cause) {
    throw listenError(address, cause);
  }
  server.close();
  await once(server, 'close');
}

function listenOptions({ address, reusePort, ipv6Only }: ListenerOptions): object {
  if (address.kind === 'unix') return { path: address.path, backlog: BACKLOG };
  return { ...tcpOptions(address), reusePort, ipv6Only, backlog: BACKLOG, exclusive: true };
}

function tcpOptions({ host, port }: Extract<SocketAddress, { kind: 'tcp' }>): { host?: string; port: number } {
  return host === '' ? { port } : { host, port };
}

function boundAddress(server: Server, wanted: SocketAddress): SocketAddress {
  if (wanted.kind === 'unix') return wanted;
  return { kind: 'tcp', host: wanted.host, port: (server.address() as AddressInfo).port };
}

/** A socket file that nobody listens on any more is left over from a crash; one that answers is somebody's. */
async function removeStaleSocket(path: string): Promise<void> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
  } catch (error) {
    // A plain file refuses connections too, and is somebody's data.
    if (codeOf(error) === 'ECONNREFUSED' && (await lstat(path)).isSocket()) await unlink(path);
    return;
  } finally {
    socket.destroy();
  }
  throw new RuntimeError('ICAPGW_LISTEN', { detail: `unix:${path} is in use by another process` });
}

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there (ss -ltnp shows which); stop it or choose another port',
  EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE, and a unix socket a folder that can be written',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'this name does not resolve',
  ENOENT: 'the folder of the socket does not exist',
};

function listenError(address: Address, cause: unknown): RuntimeError {
  const code = codeOf(cause);
  const advice = ADVICE[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new RuntimeError('ICAPGW_LISTEN', { detail: `${formatAddress(address)}: ${advice} (${code})`, cause });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
