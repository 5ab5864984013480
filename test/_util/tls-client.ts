import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { type ConnectionOptions, connect, type SecureVersion, type TLSSocket } from 'node:tls';
import type { LabIdentity } from './certificate-lab.ts';

export interface TlsVisitOptions {
  readonly port: number;
  readonly identity?: LabIdentity;
  /** Sent instead of the identity's own certificate: the leaf with its issuers. */
  readonly chain?: string;
  readonly version?: SecureVersion;
  readonly session?: Buffer;
  /** Whatever else node:tls takes. */
  readonly more?: ConnectionOptions;
}

/** What one client saw. */
export interface TlsVisit {
  /** What the service sent; empty where it refused. */
  readonly text: string;
  /** The newest session, to come back with. */
  readonly session: Buffer | undefined;
  readonly isReused: boolean;
  /** The common name of the certificate that was served. */
  readonly servedBy: string | undefined;
  /** The code of the error that ended the connection. */
  readonly error: string | undefined;
}

export const VERSIONS: readonly ['TLSv1.2', 'TLSv1.3'] = ['TLSv1.2', 'TLSv1.3'];

/** Opens a connection as a client; the caller ends it. It has an error listener. */
export function dialTls({ port, identity, chain, version, session, more }: TlsVisitOptions): TLSSocket {
  const socket = connect({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ...(identity && { cert: readFileSync(chain ?? identity.cert), key: readFileSync(identity.key) }),
    ...(version && { minVersion: version, maxVersion: version }),
    ...(session && { session }),
    ...more,
  });
  socket.on('error', () => socket.destroy());
  return socket;
}

/** Connects, waits for the greeting or the end, and leaves. */
export async function visit(options: TlsVisitOptions): Promise<TlsVisit> {
  const socket = dialTls(options);
  const { promise, resolve } = Promise.withResolvers<TlsVisit>();
  let text = '';
  let error: string | undefined;
  let session: Buffer | undefined;
  let isReused = false;
  let servedBy: string | undefined;
  socket.on('session', (newest) => {
    session = newest;
  });
  socket.once('secureConnect', () => {
    servedBy = socket.getPeerX509Certificate()?.subject.replace(/^CN=/, '');
  });
  socket.on('error', (cause: NodeJS.ErrnoException) => {
    error = cause.code;
  });
  socket.once('data', (bytes) => {
    text = bytes.toString();
    isReused = socket.isSessionReused();
    socket.destroy();
  });
  socket.once('end', () => socket.destroy());
  socket.once('close', () => resolve({ text, session, isReused, servedBy, error }));
  return promise;
}

/** Sends bytes that are not TLS and waits until the other side is gone. */
export async function sendPlain(port: number, bytes: Uint8Array | string): Promise<void> {
  const socket = connectTcp(port, '127.0.0.1');
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => socket.destroy());
  socket.once('close', () => resolve());
  socket.resume();
  socket.write(bytes);
  await promise;
}
