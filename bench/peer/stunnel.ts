import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from './peer.ts';
import { which } from './which.ts';

/** One thread per connection is how stunnel uses cores; there is no number to set. */
export const stunnel: Peer = {
  name: 'stunnel',
  find: () => which('stunnel4') ?? which('stunnel'),
  versionArguments: ['-version'],
  configure({ folder, port, backendPort, certificates }) {
    const file = join(folder, 'stunnel.conf');
    writeFileSync(
      file,
      `foreground = quiet
pid =
syslog = no
debug = 3
output = ${join(folder, 'stunnel.log')}
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1

[bench]
accept = 127.0.0.1:${port}
connect = 127.0.0.1:${backendPort}
cert = ${certificates.serverCert}
key = ${certificates.serverKey}
CAfile = ${certificates.ca}
verifyChain = yes
requireCert = yes
sslVersionMin = TLSv1.3
TIMEOUTclose = 0
`,
    );
    return [file];
  },
};
