import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Peer, WORKER_COUNT } from './peer.ts';
import { which } from './which.ts';

export const haproxy: Peer = {
  name: 'haproxy',
  find: () => which('haproxy'),
  versionArguments: ['-v'],
  configure({ folder, port, backendPort, certificates }) {
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(
      file,
      `global
    nbthread ${WORKER_COUNT}
    maxconn 8000

defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h

frontend bench
    bind 127.0.0.1:${port} ssl crt ${certificates.serverCombined} ca-file ${certificates.ca} verify required ssl-min-ver TLSv1.3
    default_backend icap

backend icap
    server icap 127.0.0.1:${backendPort}
`,
    );
    return ['-db', '-q', '-f', file];
  },
};
