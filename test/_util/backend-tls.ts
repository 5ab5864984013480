import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { BACKEND_TLS } from '../../src/config/schema/tls-schema.ts';
import type { BackendTlsConfig } from '../../src/config/tls-config.ts';
import { type BackendIdentity, createBackendIdentity } from '../../src/net/backend-identity.ts';
import { type DialOptions, dialOnce } from '../../src/net/dialer.ts';
import { loadBackendMaterial } from '../../src/tls/backend-material.ts';
import type { LabIdentity } from './certificate-lab.ts';

/** What a backend behind TLS saw of one connection. */
export interface TlsBackendVisit {
  /** Empty where none was sent. */
  readonly serverName: string;
  readonly resumed: boolean;
  readonly version: string | null;
  readonly cipher: string;
  /** Of the certificate it was shown. */
  readonly clientName: string | undefined;
}

/** A backend behind TLS that greets whoever has shaken hands. */
export interface TlsBackend extends AsyncDisposable {
  readonly port: number;
  readonly visits: readonly TlsBackendVisit[];
}

export const WELCOME = 'welcome';

/** A whole tls mapping of a backend with the defaults of the configuration. */
export function backendTlsConfig(change: Partial<BackendTlsConfig> = {}): BackendTlsConfig {
  return { ...BACKEND_TLS.fallback, ...change };
}

export function identityOf(change: Partial<BackendTlsConfig> = {}): BackendIdentity {
  return createBackendIdentity(loadBackendMaterial(backendTlsConfig(change)));
}

export async function startTlsBackend(identity: LabIdentity, more: TlsOptions = {}): Promise<TlsBackend> {
  const visits: TlsBackendVisit[] = [];
  const open = new Set<Socket>();
  const server = createServer({ cert: readFileSync(identity.cert), key: readFileSync(identity.key), ...more });
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => open.delete(socket));
  });
  server.on('tlsClientError', (_, socket) => socket.destroy());
  server.on('secureConnection', (socket: TLSSocket) => {
    visits.push({
      serverName: typeof socket.servername === 'string' ? socket.servername : '',
      resumed: socket.isSessionReused(),
      version: socket.getProtocol(),
      cipher: socket.getCipher().standardName,
      clientName: /CN=(.*)/.exec(socket.getPeerX509Certificate()?.subject ?? '')?.[1],
    });
    socket.on('error', () => socket.destroy());
    socket.end(WELCOME);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    visits,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** How to reach a port of this machine. */
export function dialOptions(port: number, more: Partial<DialOptions> = {}): DialOptions {
  return {
    address: { kind: 'tcp', host: '127.0.0.1', port },
    addressText: `127.0.0.1:${port}`,
    timeoutMs: 5000,
    handshakeTimeoutMs: 5000,
    noDelay: true,
    keepAliveMs: undefined,
    localAddress: undefined,
    preamble: undefined,
    identity: undefined,
    hostName: 'localhost',
    onread: undefined,
    ...more,
  };
}

export const NEVER: AbortSignal = new AbortController().signal;

/** Connects as `identity` wants it and reads what the backend says; rejects where it is not who it must be. */
export async function visitBackend(
  port: number,
  identity: BackendIdentity,
  more: Partial<DialOptions> = {},
): Promise<string> {
  const socket = await dialOnce(dialOptions(port, { identity, ...more }), NEVER);
  socket.on('error', () => socket.destroy());
  let text = '';
  socket.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  await once(socket, 'end');
  socket.end();
  await once(socket, 'close');
  return text;
}
