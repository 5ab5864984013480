import { existsSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type Peer, WORKER_COUNT } from './peer.ts';
import { which } from './which.ts';

/** Debian ships `stream` as a module to load; other builds have it inside. */
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

export const nginx: Peer = {
  name: 'nginx',
  find: () => which('nginx'),
  versionArguments: ['-v'],
  configure({ folder, port, backendPort, certificates }) {
    const file = join(folder, 'nginx.conf');
    writeFileSync(
      file,
      `${existsSync(STREAM_MODULE) ? `load_module ${STREAM_MODULE};` : ''}
user ${userInfo().username};
daemon off;
worker_processes ${WORKER_COUNT};
pid ${join(folder, 'nginx.pid')};
error_log ${join(folder, 'error.log')} error;

events {
    worker_connections 8000;
}

stream {
    server {
        listen 127.0.0.1:${port} ssl reuseport;
        ssl_certificate ${certificates.serverCert};
        ssl_certificate_key ${certificates.serverKey};
        ssl_client_certificate ${certificates.ca};
        ssl_verify_client on;
        ssl_protocols TLSv1.3;
        ssl_session_cache shared:bench:10m;
        proxy_pass 127.0.0.1:${backendPort};
        proxy_timeout 1h;
    }
}
`,
    );
    return ['-p', folder, '-e', join(folder, 'error.log'), '-c', file];
  },
};
