import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, type SecureVersion, TLSSocket } from 'node:tls';
import type { LabIdentity } from './certificate-lab.ts';
import { type WireEnd, watchSocket } from './watched-socket.ts';

/** What a server shows and asks for. */
export interface ServerTls {
  readonly identity: LabIdentity;
  /** The leaf with its issuers, where those are sent along. */
  readonly chain?: string;
  readonly version?: SecureVersion;
  /** Whose signature the client's certificate must have; without it none is asked for. */
  readonly clientCa?: string;
}

/** One connection whose handshake is done. */
export interface ServerSide {
  readonly tls: TLSSocket;
  /** FIN, with no close_notify before it. */
  readonly sendBareFin: () => void;
  readonly sendReset: () => void;
}

/** What became of a connection that carried bytes. */
export interface ServerVisit {
  readonly received: string;
  readonly end: WireEnd;
  /** Empty where none was sent. */
  readonly serverName: string;
  readonly resumed: boolean;
  readonly version: string | null;
  /** Of the certificate it was shown. */
  readonly clientName: string;
}

/** A TLS server that keeps what it was sent, and watches the records under its own TLS. */
export interface WireServer extends AsyncDisposable {
  readonly port: number;
  /** Shows something else from now on; sessions end with it. */
  show(tls: ServerTls): void;
  /** The next connection that carried bytes, once it has ended. */
  nextVisit(): Promise<ServerVisit>;
}

/** `behave` is called when the handshake is done; the socket may stay half open. */
export async function startWireServer(shown: ServerTls, behave: (side: ServerSide) => void): Promise<WireServer> {
  let current = { ...shown, context: contextOf(shown) };
  const open = new Set<Socket>();
  const visits: ServerVisit[] = [];
  const waiting: ((visit: ServerVisit) => void)[] = [];
  const server = createServer({ allowHalfOpen: true }, (raw) => {
    open.add(raw);
    raw.once('close', () => open.delete(raw));
    const { stream, ended } = watchSocket(raw);
    const isAsking = current.clientCa !== undefined;
    const tls = new TLSSocket(stream, {
      isServer: true,
      secureContext: current.context,
      requestCert: isAsking,
      rejectUnauthorized: isAsking,
    });
    tls.allowHalfOpen = true;
    tls.on('error', () => tls.destroy());
    tls.once('secure', () => {
      let received = '';
      tls.setEncoding('utf8').on('data', (text: string) => {
        received += text;
      });
      const { servername } = tls as { readonly servername?: unknown };
      const facts = {
        serverName: typeof servername === 'string' ? servername : '',
        resumed: tls.isSessionReused(),
        version: tls.getProtocol(),
        clientName: /CN=(.*)/.exec(tls.getPeerX509Certificate()?.subject ?? '')?.[1] ?? '',
      };
      void ended.then((end) => {
        if (received === '') return;
        const visit = { received, end, ...facts };
        const waiter = waiting.shift();
        if (waiter === undefined) visits.push(visit);
        else waiter(visit);
      });
      behave({ tls, sendBareFin: () => raw.end(), sendReset: () => raw.resetAndDestroy() });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    show(tls) {
      current = { ...tls, context: contextOf(tls) };
    },
    nextVisit() {
      const visit = visits.shift();
      return visit === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(visit);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function contextOf({ identity, chain, version, clientCa }: ServerTls): SecureContext {
  return createSecureContext({
    cert: readFileSync(chain ?? identity.cert),
    key: readFileSync(identity.key),
    sessionIdContext: 'lab',
    ticketKeys: randomBytes(48),
    ...(version !== undefined && { minVersion: version, maxVersion: version }),
    ...(clientCa !== undefined && { ca: readFileSync(clientCa) }),
  });
}
