import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Peer, WORKER_COUNT } from './peer.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** This program as it is built in `dist`, with what an operator would leave on: health checks and the admin endpoint. */
export const icapgwTunnel: Peer = icapgw('icapgw-tunnel', 'tunnel', 'tcp');
export const icapgwIcap: Peer = icapgw('icapgw-icap', 'icap', 'icap');

function icapgw(name: string, protocol: 'tunnel' | 'icap', health: 'tcp' | 'icap'): Peer {
  return {
    name,
    isOurs: true,
    find: () => (existsSync(PROGRAM) ? process.execPath : undefined),
    versionArguments: [PROGRAM, '--version'],
    configure({ folder, port, backendPort, certificates }) {
      const file = join(folder, 'icapgw.yaml');
      writeFileSync(
        file,
        `log: { level: warning }
admin: { listen: "unix:${join(folder, 'admin.sock')}" }
workers: ${WORKER_COUNT}
services:
  - name: bench
    listen: 127.0.0.1:${port}
    protocol: ${protocol}
    tls:
      cert: ${certificates.serverCert}
      key: ${certificates.serverKey}
      min-version: TLSv1.3
      client-auth: { mode: require, ca: ${certificates.ca} }
    limits: { connections: 8000 }
    health: { type: ${health} }
    backends:
      - address: 127.0.0.1:${backendPort}
        max-connections: 10000
`,
      );
      return [PROGRAM, 'run', '-c', file];
    },
  };
}
