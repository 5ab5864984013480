import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { certificates } from './certificates.ts';

/** A backend of the test's own; disposing cuts its connections and frees its port. */
export interface TunnelBackend extends AsyncDisposable {
  readonly port: number;
  readonly address: string;
  readonly sockets: ReadonlySet<Socket>;
  /** Connections it has had that sent something; health checks do not. */
  served(): number;
}

/** Sends back what comes, and finishes when the client does. */
export function echo(socket: Socket): void {
  socket.pipe(socket);
}

export async function startTunnelBackend(
  onConnection: (socket: Socket) => void = echo,
  { host = '127.0.0.1', port = 0 }: { readonly host?: string; readonly port?: number } = {},
): Promise<TunnelBackend> {
  const sockets = new Set<Socket>();
  let served = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.once('data', () => {
      served += 1;
    });
    socket.on('error', () => socket.destroy());
    onConnection(socket);
  });
  server.listen(port, host);
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port;
  return {
    port: bound,
    address: host.includes(':') ? `[${host}]:${bound}` : `${host}:${bound}`,
    sockets,
    served: () => served,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** A native configuration of one tunnel service named `tunnel`, behind TLS, on a free port. */
export function tunnelConfig(backends: readonly object[], more: object = {}, top: object = {}): object {
  const { server } = certificates();
  return {
    workers: 2,
    ...top,
    services: [
      {
        name: 'tunnel',
        listen: '127.0.0.1:0',
        protocol: 'tunnel',
        tls: { cert: server.cert, key: server.key },
        health: { type: 'tcp', interval: '200ms', timeout: '500ms', rise: 1, fall: 2 },
        backends,
        ...more,
      },
    ],
  };
}

/** Connects as a client whose errors are told by `close`. */
export function dialTunnel(port: number, options: ConnectionOptions = {}): TLSSocket {
  const base = { host: '127.0.0.1', port, rejectUnauthorized: false, allowHalfOpen: true };
  const socket = connect({ ...base, ...options });
  socket.on('error', () => socket.destroy());
  return socket;
}

/** All that arrives until the other side finishes or breaks off. */
export async function receive(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve) => {
    socket.once('end', () => resolve());
    socket.once('close', () => resolve());
  });
  return Buffer.concat(chunks);
}

/** One connection that sends a text, finishes and waits for the answer; empty where there was none. */
export async function ask(port: number, text = 'ping', host = '127.0.0.1'): Promise<string> {
  const socket = dialTunnel(port, { host });
  socket.end(text);
  const answer = await receive(socket);
  socket.destroy();
  return answer.toString();
}
