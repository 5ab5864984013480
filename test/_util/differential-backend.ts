import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** What a backend saw of one connection. */
export interface BackendVisit {
  readonly received: string;
  readonly end: 'fin' | 'reset';
}

export interface RecordingBackend extends AsyncDisposable {
  readonly port: number;
  /** Connections that carried bytes, health checks thus left out, and have not ended yet. */
  readonly openCount: number;
  /** The next connection that carried bytes, once it has ended. */
  nextVisit(): Promise<BackendVisit>;
}

/** Starts a backend that keeps what it was sent; `behave` answers, on a socket that may stay half open. */
export async function startRecordingBackend(behave: (socket: Socket) => void): Promise<RecordingBackend> {
  const sockets = new Set<Socket>();
  const visits: BackendVisit[] = [];
  const waiting: ((visit: BackendVisit) => void)[] = [];
  let openCount = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    let received = '';
    let isOver = false;
    const finish = (end: BackendVisit['end']): void => {
      if (isOver || received === '') return;
      isOver = true;
      openCount -= 1;
      const waiter = waiting.shift();
      if (waiter === undefined) visits.push({ received, end });
      else waiter({ received, end });
    };
    socket.on('data', (chunk) => {
      if (received === '') openCount += 1;
      received += chunk.toString();
    });
    socket.on('end', () => {
      finish('fin');
      if (received === '') socket.end();
    });
    socket.on('error', () => finish('reset'));
    socket.on('close', () => finish('reset'));
    behave(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get openCount() {
      return openCount;
    },
    nextVisit() {
      const visit = visits.shift();
      return visit === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(visit);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Sends back whatever comes, and finishes when the other side has. */
export function echo(socket: Socket): void {
  socket.on('data', (chunk) => socket.write(chunk));
  socket.on('end', () => socket.end());
}
