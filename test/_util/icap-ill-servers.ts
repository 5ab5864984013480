import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** A server that behaves badly in one way. Disposing it cuts its connections. */
export interface IllServer extends AsyncDisposable {
  readonly port: number;
}

/** Accepts connections, reads what comes and never answers. */
export function startSilentServer(): Promise<IllServer> {
  return start((socket) => socket.resume());
}

/** Resets every connection at its first bytes. */
export function startResettingServer(): Promise<IllServer> {
  return start((socket) => socket.once('data', () => socket.resetAndDestroy()));
}

/** Sends `answer` at the first bytes of a connection, one byte for each that the event loop goes round. */
export function startTricklingServer(answer: string): Promise<IllServer> {
  return start((socket) => {
    socket.once('data', () => {
      let at = 0;
      const sendNext = (): void => {
        if (at === answer.length || socket.destroyed) return;
        socket.write(answer.slice(at, at + 1), 'latin1', () => setImmediate(sendNext));
        at += 1;
      };
      sendNext();
    });
    socket.resume();
  });
}

/** Sends `answers`, one for each time bytes arrive, and ends the connection after the last. */
export function startScriptedServer(answers: readonly string[]): Promise<IllServer> {
  return start((socket) => {
    const left = [...answers];
    socket.on('data', () => {
      const answer = left.shift();
      if (answer === undefined) return;
      socket.write(answer, 'latin1');
      if (left.length === 0) socket.end();
    });
  });
}

async function start(onConnection: (socket: Socket) => void): Promise<IllServer> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
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
