import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a broker that a test can hold in either direction. Disposing cuts it. */
export interface AmqpLine extends AsyncDisposable {
  /** As guest, by this way. */
  readonly url: string;
  /** From now on what the gateway sends goes no further. */
  holdRequests(): void;
  /** What the gateway sends after this text goes no further. */
  holdRequestsAfter(text: string): void;
  /** From now on what the broker sends goes no further. */
  holdAnswers(): void;
  /** From the next connection on all goes through. What was held is lost with the connections there are. */
  holdNothing(): void;
  /** Whether the gateway has sent this, which went no further. */
  hasHeld(text: string): boolean;
}

/** Listens on loopback, and connects to a port there for each connection. */
export async function startAmqpLine(brokerPort: number): Promise<AmqpLine> {
  const sockets = new Set<Socket>();
  const hold = { requests: false, answers: false };
  let held = '';
  let lastText: string | undefined;
  const server = createServer({ noDelay: true }, (gateway) => {
    const broker = connect({ port: brokerPort, host: '127.0.0.1', noDelay: true });
    for (const [socket, other] of [[gateway, broker] as const, [broker, gateway] as const]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    gateway.on('data', (bytes) => {
      if (hold.requests) held += bytes.toString('latin1');
      else broker.write(bytes);
      if (lastText !== undefined && bytes.includes(lastText)) hold.requests = true;
    });
    broker.on('data', (bytes) => {
      if (!hold.answers) gateway.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `amqp://guest:guest@127.0.0.1:${(server.address() as AddressInfo).port}`,
    holdRequests() {
      hold.requests = true;
    },
    holdRequestsAfter(text) {
      lastText = text;
    },
    holdAnswers() {
      hold.answers = true;
    },
    holdNothing() {
      lastText = undefined;
      Object.assign(hold, { requests: false, answers: false });
    },
    hasHeld: (text) => held.includes(text),
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
