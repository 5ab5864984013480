import type { Socket } from 'node:net';
import { startTcpServer, type TcpServer } from './tcp-server.ts';

/** Accepts connections, reads what comes and never answers. */
export function startSilentServer(): Promise<TcpServer> {
  return start((socket) => socket.resume());
}

/** Says something to whoever connects, and then nothing any more. */
export function startGreetingServer(greeting: string): Promise<TcpServer> {
  return start((socket) => {
    socket.write(greeting, 'latin1');
    socket.resume();
  });
}

/** Resets every connection at its first bytes. */
export function startResettingServer(): Promise<TcpServer> {
  return start((socket) => socket.once('data', () => socket.resetAndDestroy()));
}

/** Sends `answer` at the first bytes of a connection, one byte for each that the event loop goes round. */
export function startTricklingServer(answer: string): Promise<TcpServer> {
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
export function startScriptedServer(answers: readonly string[]): Promise<TcpServer> {
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

function start(onConnection: (socket: Socket) => void): Promise<TcpServer> {
  return startTcpServer(onConnection, { allowHalfOpen: true, noDelay: true });
}
