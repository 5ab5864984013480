/**
 * The least that Node needs to carry bytes from TLS to a backend in clear: no deadline, no limit, no balancing, no
 * metrics, and nobody looks at the certificate but OpenSSL. Takes the path of a JSON file with a `RelaySetup`.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker } from 'node:worker_threads';
import { WORKER_COUNT } from './peer.ts';

interface RelaySetup {
  readonly port: number;
  readonly backendPort: number;
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** The same in both workers, so that a session is resumed in either. */
const TICKET_KEYS = Buffer.alloc(48, 1);

function serve({ port, backendPort, cert, key, ca }: RelaySetup): void {
  // What one read brings is written before the next one.
  const buffer = Buffer.allocUnsafeSlow(64 * 1_024);
  const server = createServer({
    cert: readFileSync(cert),
    key: readFileSync(key),
    ca: readFileSync(ca),
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: true,
    ticketKeys: TICKET_KEYS,
    sessionIdContext: 'bench',
    noDelay: true,
  });
  server.on('secureConnection', (client: Socket) => {
    const backend = connect({
      host: '127.0.0.1',
      port: backendPort,
      noDelay: true,
      onread: { buffer, callback: (count) => client.write(buffer.subarray(0, count)) },
    });
    client.on('data', (chunk) => {
      if (!backend.write(chunk)) client.pause();
    });
    client.on('drain', () => backend.resume());
    backend.on('drain', () => client.resume());
    client.on('end', () => backend.end());
    backend.on('end', () => client.end());
    client.on('error', () => backend.destroy());
    backend.on('error', () => client.destroy());
    client.on('close', () => backend.destroy());
  });
  server.listen({ host: '127.0.0.1', port, reusePort: true, backlog: 4_096 });
}

if (isMainThread) {
  for (let index = 0; index < WORKER_COUNT; index += 1) {
    new Worker(fileURLToPath(import.meta.url), { argv: process.argv.slice(2) });
  }
} else {
  serve(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as RelaySetup);
}
