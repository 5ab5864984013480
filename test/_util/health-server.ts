import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { certificates } from './certificates.ts';

/** A backend for probes on a free port of the loopback; disposing cuts its connections. */
export interface ProbedServer extends AsyncDisposable {
  readonly port: number;
  /** Resolves when the first connection is closed, with how: in good order, or cut. */
  readonly closed: Promise<'ended' | 'cut'>;
  connections(): number;
}

/** A backend that does `onConnection` with each connection: nothing at all means accept and stay silent. */
export async function startProbedServer(onConnection: (socket: Socket) => void = () => {}): Promise<ProbedServer> {
  return listen(createServer(), 'connection', onConnection);
}

/** The same behind TLS with a certificate that nobody trusts. */
export async function startSecureProbedServer(
  onConnection: (socket: Socket) => void = () => {},
): Promise<ProbedServer> {
  const { key, cert } = certificates().selfSignedServer;
  const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) });
  return listen(server, 'secureConnection', onConnection);
}

async function listen(
  server: Server,
  event: 'connection' | 'secureConnection',
  onConnection: (socket: Socket) => void,
): Promise<ProbedServer> {
  const open = new Set<Socket>();
  const closed = Promise.withResolvers<'ended' | 'cut'>();
  let count = 0;
  server.on('connection', (socket: Socket) => {
    count += 1;
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('tlsClientError', () => closed.resolve('cut'));
  server.on(event, (socket: Socket) => {
    socket.once('end', () => closed.resolve('ended'));
    socket.once('close', () => closed.resolve('cut'));
    socket.on('error', () => socket.destroy());
    socket.resume();
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    closed: closed.promise,
    connections: () => count,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A port that refuses: of a server that has just been closed. */
export async function refusedPort(): Promise<number> {
  await using server = await startProbedServer();
  return server.port;
}

/** Connects as the dialer does; the sockets that were opened can be looked at afterwards. */
export function createDial(port: number): { dial: (signal: AbortSignal) => Promise<Socket>; sockets: Socket[] } {
  const sockets: Socket[] = [];
  const dial = async (signal: AbortSignal): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    try {
      await once(socket, 'connect', { signal });
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  };
  return { dial, sockets };
}
