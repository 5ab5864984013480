import { once } from 'node:events';
import { type AddressInfo, createServer, type ServerOpts, type Socket } from 'node:net';

/** A server on a port of its own. Disposing it cuts its connections. */
export interface TcpServer extends AsyncDisposable {
  readonly port: number;
}

/** Hands each connection to `onConnection`; one whose client breaks it off is destroyed. */
export async function startTcpServer(
  onConnection: (socket: Socket) => void,
  options: ServerOpts = {},
): Promise<TcpServer> {
  const open = new Set<Socket>();
  const server = createServer(options, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
