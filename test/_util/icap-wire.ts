import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A bare TCP client that collects what it receives. */
export interface Wire extends AsyncDisposable {
  readonly socket: Socket;
  send(bytes: Buffer | string): void;
  /** Resolves with everything received so far once it holds `text`. */
  until(text: string): Promise<string>;
  /** Resolves with everything received once the other side has ended the connection. */
  ended(): Promise<string>;
}

/** Connects to a port on the loopback. Half-open is allowed, so `socket.end()` still reads the answer. */
export async function openWire(port: number): Promise<Wire> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => {});
  let received = '';
  let isEnded = false;
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const check of waiting) check();
  };
  socket.on('data', (data) => {
    received += data.toString('latin1');
    wake();
  });
  for (const event of ['end', 'close']) {
    socket.on(event, () => {
      isEnded = true;
      wake();
    });
  }
  await once(socket, 'connect');
  const wait = (isDone: () => boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (isDone()) resolve(received);
        else if (isEnded) reject(new Error(`the connection ended after ${JSON.stringify(received)}`));
        else return;
        waiting.delete(check);
      };
      waiting.add(check);
      check();
    });
  return {
    socket,
    send(bytes) {
      socket.write(bytes);
    },
    until: (text) => wait(() => received.includes(text)),
    ended: () => wait(() => isEnded),
    async [Symbol.asyncDispose]() {
      if (socket.closed) return;
      socket.destroy();
      await once(socket, 'close');
    },
  };
}
