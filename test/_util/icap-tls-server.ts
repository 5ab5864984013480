import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createServer, type SecureVersion, type TlsOptions } from 'node:tls';
import { startIcapServer } from '../../src/demo/icap-server.ts';
import type { LabIdentity } from './certificate-lab.ts';

/** The demonstration server behind TLS. */
export interface TlsIcapServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Serves ICAP over TLS as `identity`; with `clientCa` only for clients that show a certificate of it, with `maxVersion`
 * in nothing newer.
 */
export async function startTlsIcapServer(
  identity: LabIdentity,
  clientCa?: string,
  maxVersion: SecureVersion = 'TLSv1.3',
): Promise<TlsIcapServer> {
  const icap = await startIcapServer({ host: '127.0.0.1', port: 0 });
  const options: TlsOptions = {
    cert: readFileSync(identity.cert),
    key: readFileSync(identity.key),
    allowHalfOpen: true,
    maxVersion,
    ...(clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: true, ca: readFileSync(clientCa) }),
  };
  const open = new Set<Socket>();
  const server = createServer(options, (socket) => {
    const inner = connect({ host: '127.0.0.1', port: icap.port, allowHalfOpen: true });
    for (const [from, to] of [
      [socket, inner],
      [inner, socket],
    ] as const) {
      from.on('error', () => to.destroy());
      from.pipe(to);
    }
  });
  // Below TLS, because a handshake that fails leaves no other trace.
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('tlsClientError', (_, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
      await icap[Symbol.asyncDispose]();
    },
  };
}
