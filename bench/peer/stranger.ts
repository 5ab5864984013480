import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { icapExchange } from '../icap-message.ts';

const PATIENCE_MS = 5_000;

/**
 * Whether a peer keeps out a client without a certificate. One that lets it in does less work per handshake than the
 * others and must not be compared with them.
 */
export function refusesStrangers(port: number, caFile: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    ca: readFileSync(caFile),
    minVersion: 'TLSv1.3',
  });
  // In TLS 1.3 the client is through before the server has seen its certificate: only an answer tells.
  socket.on('secureConnect', () => socket.write(icapExchange(0).request));
  socket.on('data', () => resolve(false));
  socket.on('error', () => resolve(true));
  socket.on('close', () => resolve(true));
  socket.setTimeout(PATIENCE_MS, () => resolve(false));
  return promise.finally(() => socket.destroy());
}
