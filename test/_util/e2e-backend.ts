import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { LabIdentity } from './certificate-lab.ts';

/** A backend that keeps what it was sent and answers every chunk with `echo:` and that chunk. */
export interface RecordingBackend extends AsyncDisposable {
  readonly port: number;
  /** What each connection sent, in the order they came: below TLS where there is TLS. */
  readonly received: readonly Buffer[];
}

export async function startRecordingBackend(): Promise<RecordingBackend> {
  return listen(createServer({ allowHalfOpen: true }), 'connection');
}

/** The same behind TLS; only connections whose handshake was completed are kept. */
export async function startTlsRecordingBackend(identity: LabIdentity): Promise<RecordingBackend> {
  const server = createTlsServer({ cert: readFileSync(identity.cert), key: readFileSync(identity.key) });
  server.on('tlsClientError', (_, socket) => socket.destroy());
  return listen(server, 'secureConnection');
}

async function listen(server: Server, event: 'connection' | 'secureConnection'): Promise<RecordingBackend> {
  const open = new Set<Socket>();
  const received: Buffer[] = [];
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => open.delete(socket));
  });
  server.on(event, (socket: Socket) => {
    const index = received.push(Buffer.alloc(0)) - 1;
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    socket.on('data', (chunk: Buffer) => {
      received[index] = Buffer.concat([received[index] ?? Buffer.alloc(0), chunk]);
      socket.write(Buffer.concat([Buffer.from('echo:'), chunk]));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    received,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
