import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Peer } from './peer.ts';

const PROGRAM = fileURLToPath(new URL('node-relay.ts', import.meta.url));

/** What the runtime itself costs: a relay in a page of code, on the same Node as icapgw. Nobody would run it. */
export const node: Peer = {
  name: 'node',
  isYardstick: true,
  find: () => process.execPath,
  versionArguments: ['--version'],
  configure({ folder, port, backendPort, certificates }) {
    const file = join(folder, 'relay.json');
    const { serverCert, serverKey, ca } = certificates;
    writeFileSync(file, JSON.stringify({ port, backendPort, cert: serverCert, key: serverKey, ca }));
    return [PROGRAM, file];
  },
};
