import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Peer, WORKER_COUNT } from './peer.ts';
import { which } from './which.ts';

export const hitch: Peer = {
  name: 'hitch',
  find: () => which('hitch'),
  versionArguments: ['--version'],
  configure({ folder, port, backendPort, certificates }) {
    const file = join(folder, 'hitch.conf');
    // It refuses to run its workers as root.
    const isRoot = process.getuid?.() === 0;
    writeFileSync(
      file,
      `frontend = {
    host = "127.0.0.1"
    port = "${port}"
}
backend = "[127.0.0.1]:${backendPort}"
pem-file = "${certificates.serverCombined}"
client-verify = required
client-verify-ca = "${certificates.ca}"
tls-protos = TLSv1.3
workers = ${WORKER_COUNT}
backlog = 1024
daemon = off
syslog = off
log-level = 0
${isRoot ? 'user = "nobody"' : ''}
`,
    );
    return [`--config=${file}`];
  },
};
