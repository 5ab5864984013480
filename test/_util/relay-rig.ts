import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, connect as openTls } from 'node:tls';
import { Relay, type RelayEnd } from '../../src/net/relay.ts';
import { certificates } from './certificates.ts';

export interface RelayRigOptions {
  readonly tls: boolean;
  readonly closeMs?: number;
}

/** A relay between two peers that the test plays itself, all of them real sockets. */
export interface RelayRig extends AsyncDisposable {
  readonly relay: Relay;
  /** The client, at its own end of the connection. */
  readonly client: Socket;
  /** The backend, at its own end. */
  readonly backend: Socket;
  /** The relay's own ends. */
  readonly clientSide: Socket;
  readonly backendSide: Socket;
  /** Breaks the client's connection off with RST. */
  resetClient(): void;
  /** How often the relay told its end. */
  endCount(): number;
  readonly ended: Promise<RelayEnd>;
}

/** Connects both sides; `start` of the relay is left to the caller where `isStarted` is false. */
export async function startRelayRig({ tls, closeMs = 60_000 }: RelayRigOptions, isStarted = true): Promise<RelayRig> {
  const { server: identity } = certificates();
  const front = tls
    ? createTlsServer({ allowHalfOpen: true, key: readFileSync(identity.key), cert: readFileSync(identity.cert) })
    : createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const back = createServer({ allowHalfOpen: true });
  const [frontPort, backPort] = await Promise.all([listen(front), listen(back)]);
  const clientSideSoon = nextSocket(front, tls ? 'secureConnection' : 'connection');
  const backendSoon = nextSocket(back, 'connection');
  const raw = connect({ port: frontPort, host: '127.0.0.1', allowHalfOpen: true });
  const client = tls ? openTls({ socket: raw, rejectUnauthorized: false }) : raw;
  // As the gateway does it: one buffer for all reads where the client's TLS copies what it is given.
  const shared = Buffer.allocUnsafeSlow(64 * 1024);
  const backendSide = connect({
    port: backPort,
    host: '127.0.0.1',
    allowHalfOpen: true,
    ...(tls && { onread: { buffer: shared, callback: (count) => relay.fromBackend(shared.subarray(0, count)) } }),
  });
  const [clientSide, backend] = await Promise.all([clientSideSoon, backendSoon, once(backendSide, 'connect')]);
  for (const socket of [raw, client, backend, clientSide, backendSide]) socket.on('error', () => socket.destroy());
  const ended = Promise.withResolvers<RelayEnd>();
  let endCount = 0;
  const relay: Relay = new Relay({
    client: clientSide,
    clientCopies: tls,
    closeMs,
    cutClient: () => clientSide.destroy(),
    cutBackend: () => backendSide.destroy(),
    onEnd: (end) => {
      endCount += 1;
      ended.resolve(end);
    },
  });
  if (isStarted) relay.start(backendSide, tls ? 'callback' : 'events');
  return {
    ...{ relay, client, backend, clientSide, backendSide, ended: ended.promise },
    resetClient: () => void raw.resetAndDestroy(),
    endCount: () => endCount,
    async [Symbol.asyncDispose]() {
      for (const socket of [client, backend, clientSide, backendSide]) socket.destroy();
      await Promise.all([front, back].map(close));
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function nextSocket(server: Server, event: string): Promise<Socket> {
  const [socket] = await once(server, event);
  return socket;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
